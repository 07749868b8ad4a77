import { expectSame, type Report } from "../../../../checks/report";
import { until } from "../../../fixtures/machine";
import { type MeshLab, siteNames, zoneOf } from "../lab";
import { fetchFrom, isClosed, sniff, webOf } from "../probes";

/** What others see and reach, and what passes narrow paths. */
export async function checkPrivacy(report: Report, lab: MeshLab): Promise<void> {
  const { a } = lab.sites;
  await report.check("nothing in clear on the wire", async () => {
    const marker = "mesh-marker-in-clear-7f3a";
    const tunnel = await sniff(lab.router, marker);
    for (let round = 0; round < 20; round++)
      await a.box.run(`curl --silent --fail --max-time 10 --data '${marker}' http://${webOf("b")}/`);
    const inside = await tunnel.stop();
    const beside = await sniff(lab.router, marker);
    await a.box.run(`echo ${marker} >/dev/udp/${lab.endpoints.b}/9`);
    const { marked } = await beside.stop();
    if (inside.packets < 40 || marked === 0)
      throw new Error(
        `nothing was seen: ${inside.packets} packets, ${marked} of what was sent beside the tunnel`,
      );
    return `${expectSame(inside.marked, 0)} of ${inside.packets} packets have the marker; found where it was sent beside`;
  });
  await report.check("declared names and ports only", async () => {
    const plan = lab.plan("b", siteNames);
    const address = (label: string) =>
      plan.services.find((service) => service.label === label)?.address ?? "";
    const open = async (at: string, port: number) => !(await isClosed(a.box, `[${at}]`, port));
    if (!(await open(address("web-server"), 80))) throw new Error("what is offered is closed");
    const closed = [
      ["a name that is offered to nobody", address("private"), 80],
      ["another port of one that is", address("web-server"), 8080],
      ["the exchange", plan.gatewayAddress, 29292],
      ["SSH", plan.gatewayAddress, 22],
    ] as const;
    for (const [what, at, port] of closed) if (await open(at, port)) throw new Error(`${what} is open`);
    return `closed: ${closed.map(([what]) => what).join(", ")}`;
  });
  await report.check("path MTU 1400 with ICMP dropped", async () => {
    lab.router.run("ip", "link", "set", "to-b", "mtu", "1400");
    await lab.drop("ip protocol icmp");
    try {
      for (const [from, to] of [
        ["a", "b"],
        ["b", "a"],
      ] as const)
        expectSame((await fetchFrom(lab.sites[from].box, to, "/1000000")).stdout.length, 1_000_002);
      return "1 MB both ways";
    } finally {
      lab.router.run("ip", "link", "set", "to-b", "mtu", "1500");
      await lab.drop();
    }
  });
  await report.check("metrics: age of the handshake, bytes, days left", async () => {
    const value = (text: string, name: string) =>
      Number(
        new RegExp(`^${name}(?:\\{peer="${zoneOf("b")}"\\})? (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN,
      );
    const before = await a.mesh("metrics");
    await fetchFrom(a.box, "b", "/100000");
    await until("the bytes are counted", async () => {
      const received = "wiab_mesh_peer_received_bytes";
      return value(await a.mesh("metrics"), received) - value(before, received) >= 100_000;
    });
    const age = value(before, "wiab_mesh_peer_handshake_age_seconds");
    const [own, peers] = ["wiab_mesh_certificate_days", "wiab_mesh_peer_certificate_days"].map((name) =>
      value(before, name),
    );
    if (!(age >= 0 && age < 180)) throw new Error(`the handshake is ${age} s old`);
    for (const days of [own, peers])
      if (!(days !== undefined && days > 59 && days <= 90))
        throw new Error(`a certificate has ${days} days left`);
    return `${age.toFixed(0)} s, more than 100,000 bytes of 100,000 fetched, ${own?.toFixed(1)} and ${peers?.toFixed(1)} days`;
  });
}
