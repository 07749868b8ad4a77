import { rmSync } from "node:fs";
import { asOwner } from "../cli/deployment";
import { recover } from "../cli/recover";
import { runMain } from "../toolchain/commands";
import { stateFiles } from "../toolchain/environment";
import { pulumi, pulumiOutput } from "../toolchain/pulumi";
import { stacksIn } from "../toolchain/states";
import { stopContainers } from "./containers/containers";
import { certificateFolder, chartsFolder, labEnvironment, readOptions, stackFile } from "./context";
import { removeEmptyFilter, stopLibvirt } from "./host/libvirt";
import { takeTracesAway } from "./host/traces";

/** `npm run lab:destroy`: takes away everything that the lab has made on this machine. */
async function main(): Promise<number> {
  const { stack } = readOptions();
  for (const line of await takeTracesAway()) console.log(line);
  const { env, home } = await labEnvironment();
  if (stacksIn(stateFiles().backend).includes(stack)) {
    const code = await asOwner(env, stack, async () => {
      for (const line of await recover(env, home, stack, async () => true)) console.log(line);
      // With a look at what is really there: a machine that somebody has deleted cannot be deleted again.
      return pulumi(
        // What is in a cluster that does not answer goes with its machines.
        { ...env, PULUMI_K8S_DELETE_UNREACHABLE: "true" },
        ["destroy", "--yes", "--skip-preview", "--refresh", "--ignore-protect", "--stack", stack],
      );
    });
    if (code !== 0) return code;
    await pulumiOutput(env, ["stack", "rm", "--yes", "--stack", stack]);
  }
  await stopContainers(stack);
  rmSync(stackFile(stack), { force: true });
  for (const folder of [certificateFolder(stack), chartsFolder(stack)])
    rmSync(folder, { recursive: true, force: true });
  const removed = await removeEmptyFilter();
  if (removed !== undefined) console.log(removed);
  const kept = await stopLibvirt();
  console.log(kept ?? `the lab ${stack} is gone`);
  return 0;
}

runMain(
  main,
  `usage: npm run lab:destroy -- [--stack lab]

Takes the lab away; installed packages, the cache and an empty backend stay.`,
);
