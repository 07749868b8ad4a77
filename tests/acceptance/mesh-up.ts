import { parseArgs } from "node:util";
import { runMain } from "../../toolchain/commands";
import { meshPrograms } from "../fixtures/mesh-programs";
import { MeshLab } from "./mesh/lab";
import { allReach } from "./mesh/probes";

const usage = "usage: npm run lab:mesh -- [--destroy]";

/**
 * `npm run lab:mesh -- [--destroy]`: two sites of a mesh on this computer, in network namespaces on bridges of their own behind a
 * router, and the networks of a third; or takes them away. Takes no virtual machine, no Docker and no toolchain but Go.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { destroy: { type: "boolean", default: false } } });
  if (process.getuid?.() !== 0)
    throw new Error(
      "the lab of the mesh is made of network namespaces, which takes root: sudo npm run lab:mesh",
    );
  if (values.destroy) {
    await MeshLab.destroy();
    console.log("the lab of the mesh is gone");
    return 0;
  }
  if (MeshLab.isThere) {
    console.log('the lab of the mesh is there already; "npm run lab:mesh -- --destroy" takes it away');
    return 0;
  }
  await bringUp();
  console.log('two sites of a mesh are up and reach each other; next: "npm run mesh:verify"');
  return 0;
}

/** Makes the lab with its first two sites. */
export async function bringUp(): Promise<MeshLab> {
  console.log("building the gateway's programs, which takes minutes the first time");
  const lab = await MeshLab.make(await meshPrograms());
  try {
    await Promise.all([lab.up("a", ["a", "b"]), lab.up("b", ["a", "b"])]);
    await allReach(lab, ["a", "b"]);
  } catch (error) {
    const logs = await Promise.all([lab.sites.a.box.logs(), lab.sites.b.box.logs()]);
    console.error(`${logs.join("\n")}\nit stays for a look: npm run lab:mesh -- --destroy takes it away`);
    throw error;
  }
  return lab;
}

if (require.main === module) runMain(main, usage);
