import { expectSame, type Report } from "../../../../checks/report";
import { directories, meshInterfaces } from "../../../../components/mesh/files";
import { type MeshLab, siteNames, zoneOf } from "../lab";
import { reaches, secondsUntil, webOf } from "../probes";
import { MeshSite } from "../site";
import { machineAddress, machinePrograms, VirtualMachine } from "../virtual-machine";

/** The third site's gateway on a virtual machine: what namespaces cannot show. The others run in user space. */
export async function checkVirtualMachine(report: Report, lab: MeshLab): Promise<void> {
  let machine: VirtualMachine | undefined;
  await report.check("a virtual machine starts", async () => {
    const began = Date.now();
    machine = await VirtualMachine.boot(lab.router, lab.programs);
    return `after ${((Date.now() - began) / 1000).toFixed(0)} s`;
  });
  if (!machine) return;
  const former = lab.endpoints.c;
  lab.endpoints.c = machineAddress;
  try {
    await checkGateway(report, lab, machine);
  } finally {
    lab.endpoints.c = former;
    await machine.stop();
  }
}

async function checkGateway(report: Report, lab: MeshLab, machine: VirtualMachine): Promise<void> {
  const site = new MeshSite(machine, machinePrograms, machineAddress);
  const plan = lab.plan("c", siteNames);
  const authority = await lab.authority();
  const signs = { certificate: authority.certificate, privateKey: await authority.privateKey() };
  const certificate = await site.certify(plan, signs, new Date());
  const credentials = { ...(await lab.credentials("a")), certificate, privateKey: "" };
  await Promise.all([lab.up("a", siteNames), lab.up("b", siteNames)]);
  const back = async () => {
    const began = Date.now();
    const there = await secondsUntil("a reaches c", () => reaches(lab, "a", "c"), 300, began);
    // The guest has no curl.
    const page = () =>
      machine.try(
        `python3 -c 'import urllib.request; print(urllib.request.urlopen("http://${webOf("a")}/", timeout=10).read().decode())'`,
      );
    const here = await secondsUntil(
      "c reaches a",
      async () => (await page()).stdout.startsWith("a\n"),
      300,
      began,
    );
    return `a reaches c after ${there}, c reaches a after ${here}`;
  };
  await report.check("a virtual machine: WireGuard of its kernel, with others' in user space", async () => {
    expectSame(/^wireguard: .*$/m.exec(await site.up(plan, credentials))?.[0] ?? "", "wireguard: kernel");
    await machine.run(`ip -details link show dev ${meshInterfaces[0]} | grep -w wireguard`);
    return back();
  });
  await report.check("a virtual machine that is started anew", async () => {
    const boot = () => machine.try("cat /proc/sys/kernel/random/boot_id").then(({ stdout }) => stdout);
    const former = await boot();
    await machine.try("systemctl reboot");
    const began = Date.now();
    await secondsUntil("it is up", async () => ![former, ""].includes(await boot()), 600);
    const up = ((Date.now() - began) / 1000).toFixed(1);
    return `it answers after ${up} s; then ${await back()}`;
  });
  await report.check("a virtual machine: a second up changes nothing, a removal leaves nothing", async () => {
    const units = ["wiab-mesh-device", "wiab-mesh", "wiab-mesh-names", "wiab-mesh-forward", "wiab-mesh-dns"];
    const processes = () => machine.run(`systemctl show --property MainPID ${units.join(" ")}`);
    const before = await processes();
    await site.up(plan, credentials);
    expectSame(await processes(), before);
    await site.down(plan, credentials);
    const left = await machine.run(
      [
        `ls -d ${directories.settings} ${directories.state} /etc/systemd/system/wiab-mesh* 2>/dev/null || true`,
        ...meshInterfaces.map((name) => `ip link show ${name} 2>/dev/null || true`),
        "ip -6 route show | grep fd51 || true",
        "nft list tables",
        "systemctl list-units --all --plain --no-legend 'wiab-mesh*'",
      ].join("\n"),
    );
    expectSame(left, "");
    await Promise.all([lab.up("a", ["a", "b"]), lab.up("b", ["a", "b"])]);
    return `${zoneOf("c")} is gone`;
  });
}
