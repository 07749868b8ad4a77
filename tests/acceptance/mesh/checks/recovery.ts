import { expectSame, type Report } from "../../../../checks/report";
import { directories, meshInterfaces, meshTable } from "../../../../components/mesh/files";
import { until } from "../../../fixtures/machine";
import { type MeshLab, siteNames, zoneOf } from "../lab";
import { allReach, hasJoined, reaches, secondsUntil } from "../probes";

const services = ["wiab-mesh-device", "wiab-mesh", "wiab-mesh-names", "wiab-mesh-forward", "wiab-mesh-dns"];

/** What ends comes back by itself; what a stack does again changes nothing; what goes leaves nothing. */
export async function checkRecovery(report: Report, lab: MeshLab): Promise<void> {
  const { box } = lab.sites.b;
  const back = async () => {
    const began = Date.now();
    const one = await secondsUntil("a reaches b", () => reaches(lab, "a", "b"), 60, began);
    const other = await secondsUntil("b reaches a", () => reaches(lab, "b", "a"), 60, began);
    return `a reaches b after ${one}, b reaches a after ${other}`;
  };
  const kill = async (...names: string[]) => {
    for (const name of names) await box.killService(name);
    return back();
  };
  await report.check("a gateway that starts anew: all gone but its disk", async () => {
    await powerCut(lab);
    return back();
  });
  await report.check("the daemon, killed", () => kill("wiab-mesh"));
  await report.check("the interfaces, killed", () => kill("wiab-mesh-device"));
  await report.check("the name server, killed", () => kill("wiab-mesh-dns"));
  await report.check("the relay, killed", () => kill("wiab-mesh-forward"));
  await report.check("the names, killed", () => kill("wiab-mesh-names"));
  await report.check("a gateway that has lost its disk makes new keys and is in again", async () => {
    await lab.down("b");
    await lab.up("b", siteNames);
    return back();
  });
  await report.check("a second up changes nothing", () => secondUp(lab));
  await report.check("drift is named", () => drift(lab));
  await report.check("a site that is taken away leaves nothing, and the others let it go", () =>
    removed(lab),
  );
}

/** As after a cut: the processes, the interfaces, the addresses and the rules are gone, and systemd starts what is enabled. */
async function powerCut(lab: MeshLab): Promise<void> {
  const { box } = lab.sites.b;
  await box.run(
    [
      // With those that would start them again.
      `for unit in ${services.join(" ")}; do kill -9 "$(cat /run/units/$unit.service.keeper)" "$(cat /run/units/$unit.service.pid)"; done`,
      ...meshInterfaces.map((name) => `ip link delete dev ${name} 2>/dev/null || true`),
      `nft delete table inet ${meshTable}`,
      "ip -6 address flush dev lo to fd51::/16",
      "ip -6 route flush root fd51::/16",
      "rm -f /run/units/wiab-* /run/wireguard/* /run/wiab-mesh/*",
    ].join("\n"),
  );
  await box.run(`for unit in ${services.join(" ")}; do systemctl start $unit.service || true; done`);
}

async function secondUp(lab: MeshLab): Promise<string> {
  const { box } = lab.sites.a;
  const look = () =>
    box.run(
      [
        `find ${directories.settings} ${directories.state} /etc/systemd/system/wiab-mesh* -type f ! -name resolv.conf -printf '%p %T@\\n' | sort`,
        "cat /run/units/wiab-*.pid",
        `nft list table inet ${meshTable}`,
        "ip -6 route show | grep fd51 | sort",
      ].join("\n"),
    );
  const before = await look();
  await lab.up("a", siteNames);
  if ((await look()) !== before) throw new Error(`before:\n${before}\nafterwards:\n${await look()}`);
  return `${before.split("\n").length} lines of files, processes, rules and routes are the same`;
}

async function drift(lab: MeshLab): Promise<string> {
  const { box } = lab.sites.a;
  const found = async () => (await lab.sites.a.status()).drift;
  if ((await found()).length > 0) throw new Error(`before anything was changed: ${await found()}`);
  await box.run(`ip link set dev ${meshInterfaces[1]} mtu 1400`);
  await box.run(`nft add rule inet ${meshTable} from-mesh accept`);
  const said = await found();
  if (said.length !== 2) throw new Error(`two things were changed, named are: ${said.join("; ") || "none"}`);
  await box.run("systemctl restart wiab-mesh-device.service && systemctl restart wiab-mesh.service");
  await until("nothing drifts", async () => (await found().catch(() => ["?"])).length === 0, 30);
  await allReach(lab, siteNames);
  return `"${said.join('" and "')}"; gone once device and daemon were started anew`;
}

async function removed(lab: MeshLab): Promise<string> {
  const { box } = lab.sites.c;
  // As its operator had it before (lab.ts).
  const ipv6 = () => box.run("cat /proc/sys/net/ipv6/conf/{all,default,lo}/disable_ipv6");
  expectSame((await ipv6()).replaceAll("\n", ""), "000");
  await lab.down("c");
  expectSame((await ipv6()).replaceAll("\n", ""), "111");
  const left = await box.run(
    [
      `ls -d ${directories.settings} ${directories.state} /etc/systemd/system/wiab-mesh* /etc/sysctl.d/*mesh* 2>/dev/null || true`,
      ...meshInterfaces.map((name) => `ip link show ${name} 2>/dev/null || true`),
      "ip -6 -o address show dev lo | grep fd51 || true",
      "ip -6 route show | grep fd51 || true",
      "nft list tables",
    ].join("\n"),
  );
  expectSame(left, "");
  await Promise.all([lab.up("a", ["a", "b"]), lab.up("b", ["a", "b"])]);
  await until("a has let c go", async () => (await lab.sites.a.peer(zoneOf("c"))) === undefined);
  expectSame((await lab.sites.a.status()).drift.join("; "), "");
  await until("a has b", hasJoined(lab, "a", "b"));
  return "no file, unit, interface, address, route or table, and IPv6 is off as it was before";
}
