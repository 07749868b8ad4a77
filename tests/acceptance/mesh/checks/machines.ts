import { expectSame, type Report } from "../../../../checks/report";
import { until } from "../../../fixtures/machine";
import { cable, Namespace } from "../../verify/namespace";
import { docker } from "../docker";
import { type MeshLab, siteNames, zoneOf } from "../lab";
import { secondsUntil, webOf } from "../probes";

const script = "components/mesh/resolve.sh";

/** Machines of a site, which have IPv4 alone and reach names of another site by its gateway. */
export async function checkMachines(report: Report, lab: MeshLab): Promise<void> {
  const machine = lab.machines.a;
  const parameters = lab.sites.a.asks(lab.plan("a", siteNames));
  const as = async (verb: "apply" | "remove") => {
    const { code, stderr } = await machine.script(script, parameters, verb);
    if (code !== 0) throw new Error(stderr);
  };
  /** What the script leaves on the machine. */
  const left = () =>
    machine.run("cat /etc/resolv.conf; ip -4 route; ls /etc/systemd/system | grep mesh || true");
  const before = await left();
  await report.check("a machine reaches the other site's names by IPv4, HTTP and UDP", async () => {
    await as("apply");
    const once = await left();
    await as("apply");
    expectSame(await left(), once);
    const seconds = await secondsUntil(
      "the page is there",
      async () => (await page(lab, `http://${webOf("b")}/`)) === "b\n",
      30,
    );
    expectSame(await echo(lab), "b 7");
    // Larger than what fits into a packet of the tunnel.
    expectSame((await page(lab, `http://${webOf("b")}/1000000`)).length, 1_000_002);
    return `${webOf("b")} is ${await addressOf(lab, webOf("b"))}, first reached after ${seconds}; a second run changes nothing`;
  });
  await report.check("a machine reaches nothing else, and nobody else the addresses", () => closed(lab));
  await report.check("a container on wgnet reaches the other site's names", () => container(lab));
  await report.check("a name keeps its address, whatever ends", () => stays(lab));
  await report.check("nothing is left on a machine that is let go", async () => {
    await as("remove");
    return expectSame(await left(), before) && "route and resolver as before";
  });
}

const page = async (lab: MeshLab, url: string): Promise<string> =>
  (await lab.machines.a.try(`curl --silent --fail --max-time 10 ${url}`)).stdout;

/** What the other site's UDP name answers. */
const echo = (lab: MeshLab): Promise<string> =>
  lab.machines.a.run(
    `python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.sendto(b"7", ("echo.${zoneOf("b")}", 7)); print(s.recv(100).decode())'`,
  );

/** The IPv4 address of a name, as the machine is told; empty without one. */
const addressOf = async (lab: MeshLab, name: string): Promise<string> =>
  (await lab.machines.a.try(`getent ahostsv4 ${name}`)).stdout.split(" ")[0] ?? "";

async function closed(lab: MeshLab): Promise<string> {
  const { router } = lab;
  const web = await addressOf(lab, webOf("b"));
  const { ipv4Network } = lab.plan("a", siteNames);
  for (const label of ["private", "for-c", "there-is-none"])
    expectSame(await addressOf(lab, `${label}.${zoneOf("b")}`), "");
  const refused = await lab.machines.a.try(`curl --silent --max-time 10 http://${web}:8080/`);
  // 7: refused at once, and not after the time that curl waits.
  expectSame(refused.code, 7);
  expectSame((await lab.machines.a.try(`curl --silent --max-time 10 http://198.18.0.1/`)).code, 7);
  router.run("ip", "route", "add", ipv4Network, "via", lab.endpoints.a);
  try {
    const from = async (network: typeof router) =>
      (await network.pipe("", "curl", "--silent", "--max-time", "2", `http://${web}/`)).code;
    expectSame(await from(router), 28);
  } finally {
    router.run("ip", "route", "del", ipv4Network);
  }
  return "names that are not offered have no address, ports are refused; the router gets no answer";
}

/** A namespace where Docker would have a container; Docker's API is a stand-in. */
async function container(lab: MeshLab): Promise<string> {
  const { box } = lab.sites.a;
  const web = await addressOf(lab, webOf("b"));
  const inside = new Namespace("container");
  const list = await docker(box);
  try {
    cable(box.network, "wgnet", inside, "eth0");
    box.network.run("ip", "address", "add", "172.31.0.1/16", "dev", "wgnet");
    inside.run("ip", "address", "add", "172.31.0.2/16", "dev", "eth0");
    inside.run("ip", "route", "add", "default", "via", "172.31.0.1");
    const fetched = async () =>
      (await inside.pipe("", "curl", "--silent", "--max-time", "2", `http://${web}/`)).stdout;
    expectSame(await fetched(), "");
    await list([{ name: "web.box", created: 1, address: "172.31.0.2", prefixLength: 16 }]);
    return `after ${await secondsUntil("it reaches the page", async () => (await fetched()) === "b\n", 30)}; closed to it before Docker listed it`;
  } finally {
    await list([]);
    // The cable goes along.
    inside.remove();
  }
}

async function stays(lab: MeshLab): Promise<string> {
  const { box } = lab.sites.a;
  const before = await addressOf(lab, webOf("b"));
  await lab.up("a", ["a", "b"]);
  for (const service of ["wiab-mesh", "wiab-mesh-forward", "wiab-mesh-dns"]) await box.killService(service);
  const again = async () => (await page(lab, `http://${webOf("b")}/`)) === "b\n";
  const seconds = await secondsUntil("the page is there again", again, 30);
  expectSame(await addressOf(lab, webOf("b")), before);
  // A name that is no longer offered goes, and comes back at the same address.
  const services = [{ name: "echo", protocol: "udp", port: 7, target: "10.1.1.3:8080" }];
  await lab.up("b", ["a", "b"], { services });
  const offered = async () => (await lab.sites.a.status()).remote.some(({ label }) => label === "web-server");
  await until("the name has gone", async () => !(await offered()), 30);
  const gone = await lab.machines.a.try(`curl --silent --max-time 10 http://${before}/`);
  await lab.up("b", ["a", "b"]);
  await until("the name is there", offered, 30);
  await until("the page is there", again, 30);
  expectSame(gone.code, 7);
  return `${before}; reached ${seconds} after daemon, relay and name server were killed; refused while it is not offered`;
}
