import { expectSame, type Report } from "../../../checks/report";
import type { LabOutputs } from "../../../lab/context";
import { run } from "../../../toolchain/commands";
import type { RemoteMachine } from "./machine";

/** What a machine says of itself, one `key=value` a line. */
const questions = `
echo "memory=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
echo "vcpus=$(nproc)"
echo "disk=$(lsblk --bytes --nodeps --noheadings --output SIZE /dev/vda)"
echo "filesystem=$(df --output=size -B1 / | tail -n 1)"
echo "cloudinit=$(cloud-init status 2>/dev/null)"
`;

/** Firmware and kernel keep some of a machine's memory: at most this much, in MiB. */
const keptByKernel = 160;

/** Looks at every machine against what the stack says it made, besides what `npm run verify` does. */
export async function checkMachines(
  report: Report,
  { machines, network }: LabOutputs,
  reach: (name: string) => RemoteMachine,
): Promise<void> {
  await report.each(machines, async (report, machine) => {
    const { name } = machine;
    const remote = reach(name);
    let facts: Record<string, string> = {};
    await report.check(`${name}: SSH by key`, async () => {
      const lines = (await remote.run(questions)).trim().split("\n");
      facts = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
      return `answers at ${machine.address}`;
    });
    if (!facts.vcpus) return;
    if (machine.existing) report.note(`${name} is a container: its memory and processors are the host's`);
    else await checkHardware(report, machine, facts, network.name);
    await report.check(`${name}: disk`, () => {
      if (!machine.existing) expectSame(facts.disk ?? "", machine.diskGB * 1e9);
      // Ext4's own tables take up to a tenth.
      if (Number(facts.filesystem) < machine.diskGB * 0.9e9)
        throw new Error(`the file system has only ${facts.filesystem} of ${facts.disk} bytes`);
      return `${machine.diskGB} GB, filled by the file system`;
    });
    await report.check(`${name}: cloud-init`, () => expectSame(facts.cloudinit ?? "", "status: done"));
    await report.check(`${name}: no way in without the key`, async () => {
      const refusal = await remote.refusal();
      if (!refusal.includes("Permission denied (publickey)")) throw new Error(`SSH said: ${refusal}`);
      return "permission denied";
    });
  });
}

/** What a virtual machine has that a container does not. */
async function checkHardware(
  report: Report,
  machine: LabOutputs["machines"][number],
  facts: Readonly<Record<string, string>>,
  network: string,
): Promise<void> {
  const { name } = machine;
  await report.check(`${name}: memory`, () => {
    const found = Number(facts.memory) / 1024;
    const wanted = machine.memoryGiB * 1024;
    if (found > wanted || found < wanted - keptByKernel)
      throw new Error(`found ${Math.round(found)} MiB, wanted ${wanted} MiB less what the kernel keeps`);
    return `${Math.round(found)} of ${wanted} MiB`;
  });
  await report.check(`${name}: vCPUs`, () => expectSame(facts.vcpus ?? "", machine.vcpus));
  await report.check(`${name}: domain`, async () =>
    expectSame(await run("virsh", ["-c", "qemu:///system", "domstate", `${network}-${name}`]), "running"),
  );
}
