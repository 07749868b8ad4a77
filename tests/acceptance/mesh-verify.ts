import { parseArgs } from "node:util";
import { Report } from "../../checks/report";
import { ensurePackages } from "../../lab/host/packages";
import { runMain } from "../../toolchain/commands";
import { checkDocker } from "./mesh/checks/docker";
import { checkMachines } from "./mesh/checks/machines";
import { checkNames } from "./mesh/checks/names";
import { checkPrivacy } from "./mesh/checks/privacy";
import { checkRecovery } from "./mesh/checks/recovery";
import { checkRenewal } from "./mesh/checks/renewal";
import { checkScale } from "./mesh/checks/scale";
import { checkThirdSite } from "./mesh/checks/third-site";
import { checkThroughput } from "./mesh/checks/throughput";
import { checkVirtualMachine } from "./mesh/checks/virtual-machine";
import { MeshLab } from "./mesh/lab";

const usage = `usage: npm run mesh:verify -- [--machine] [--docker]

  --machine   has a virtual machine for a third gateway as well, whose kernel has WireGuard; takes minutes without KVM
  --docker    has Docker itself on a gateway as well, where its programs are on this computer`;

/** Debian packages that lab and checks use. */
export const meshPackages = ["curl", "iproute2", "nftables", "python3", "wireguard-tools"];

/** What is looked at only if it is asked for. */
interface Also {
  readonly machine?: boolean | undefined;
  readonly docker?: boolean | undefined;
}

/**
 * `npm run mesh:verify`: does to the lab of the mesh what happens to a mesh, one line a check. One after the other: most change what
 * the next would measure. Leaves the lab as it found it.
 */
export async function verify(lab: MeshLab, report = new Report(), also: Also = {}): Promise<number> {
  const began = Date.now();
  await checkNames(report, lab);
  await checkMachines(report, lab);
  await checkPrivacy(report, lab);
  await checkThirdSite(report, lab);
  await checkRenewal(report, lab);
  await checkRecovery(report, lab);
  if (also.machine) await checkVirtualMachine(report, lab);
  await checkThroughput(report, lab);
  await checkScale(report);
  if (also.docker) await checkDocker(report, lab);
  report.note(`${Math.round((Date.now() - began) / 1000)} s`);
  return report.conclude();
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0)
    throw new Error("the checks enter network namespaces, which takes root: sudo npm run mesh:verify");
  const { values } = parseArgs({ options: { machine: { type: "boolean" }, docker: { type: "boolean" } } });
  const lab = MeshLab.attach();
  const forMachine = values.machine ? ["openssh-client", "qemu-system-x86", "qemu-utils"] : [];
  await ensurePackages("for the checks", [...meshPackages, ...forMachine]);
  return verify(lab, new Report(), values);
}

if (require.main === module) runMain(main, usage);
