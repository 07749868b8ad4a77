import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firewallScript, scriptParameters } from "../../components/host/firewall/firewall";
import { admittedMark, machineServices } from "../../components/host/firewall/host-services";
import type { RulesetArgs } from "../../components/host/firewall/ruleset";
import { renderInput } from "../../components/machine/script";
import { cable, Namespace } from "../acceptance/verify/namespace";
import { compareScan, everyPort, expectedOfHost } from "../acceptance/verify/scan";
import { until } from "../fixtures/machine";

// Two stacks beside each other on a hardened host, and the internet, as network namespaces that listen everywhere. What
// answers, from each place, is what docs/security.md has in its table.

const prefixOf = (number: number) => `192.168.${number}`;
const stack = (name: string, number: number) => ({
  prefix: prefixOf(number),
  ...{ name, publicAddress: `203.0.113.${number}` },
  inside: { kind: "bridge" as const, bridge: name, network: `${prefixOf(number)}.0/24` },
  ...{ kubenodes: [`192.168.${number}.21`], callingNode: `192.168.${number}.21` },
  ...{ privateDeployment: true, names: ["kubenode1"], hardenInput: true, hostPorts: ["udp/51820"] },
});
const stacks = [stack("wirebox", 122), stack("beside", 123)] as const;
const uplink = "198.51.100.1";
const tcp = [22, 25, 53, 80, 111, 443, 3478, 5900, 6443, 8080, 9042, 16509, 31772, 31773];
const udp = [53, 67, 68, 69, 111, 123, 161, 3478, 32768, 51820, 65535];

const root = mkdtempSync(join(tmpdir(), "wiab-scan-"));
const namespaces: Namespace[] = [];
let host: Namespace;
let internet: Namespace;
/** By stack and name. */
const machines: Record<string, Namespace> = {};

async function apply(ruleset: RulesetArgs): Promise<void> {
  for (const STEP of ["load", "confirm"]) {
    const input = renderInput(firewallScript, {
      ...scriptParameters({ ruleset, publicInterface: `${ruleset.name}-public` }, root),
      STEP,
    });
    const ended = await host.pipe(
      input,
      ...["unshare", "--mount", "bash", "-c", "mount -t tmpfs tmpfs /run && exec bash -s -- apply"],
    );
    expect(ended).toMatchObject({ code: 0, stderr: "" });
  }
}

beforeAll(async () => {
  const namespace = (name: string) => {
    const made = new Namespace(name);
    namespaces.push(made);
    return made;
  };
  host = namespace("host");
  internet = namespace("internet");
  cable(host, "uplink", internet, "eth0");
  host.run("ip", "address", "add", `${uplink}/24`, "dev", "uplink");
  internet.run("ip", "address", "add", "198.51.100.2/24", "dev", "eth0");
  internet.run("ip", "route", "add", "default", "via", uplink);
  for (const { name: bridge, prefix } of stacks) {
    host.run("ip", "link", "add", bridge, "type", "bridge");
    host.run("ip", "address", "add", `${prefix}.1/24`, "dev", bridge);
    host.run("ip", "link", "set", bridge, "up");
    for (const [name, address] of [
      ["kubenode1", `${prefix}.21`],
      ["datanode1", `${prefix}.31`],
    ] as const) {
      const machine = namespace(`${bridge}-${name}`);
      machines[machine.machine] = machine;
      const port = `p${namespaces.length}`;
      cable(host, port, machine, "eth0");
      host.run("ip", "link", "set", port, "master", bridge);
      machine.run("ip", "address", "add", `${address}/24`, "dev", "eth0");
      machine.run("ip", "route", "add", "default", "via", `${prefix}.1`);
    }
    // A pod: what it sends outside the pods' network has its node's address.
    const node = machines[`${bridge}-kubenode1`] as Namespace;
    const pod = namespace(`${bridge}-pod`);
    machines[pod.machine] = pod;
    cable(node, "pod", pod, "eth0");
    node.run("ip", "address", "add", "10.233.64.1/24", "dev", "pod");
    pod.run("ip", "address", "add", "10.233.64.2/24", "dev", "eth0");
    pod.run("ip", "route", "add", "default", "via", "10.233.64.1");
    node.set("net/ipv4/ip_forward", 1);
    node.run(
      "nft",
      "add table ip pods; add chain ip pods post { type nat hook postrouting priority srcnat; }; add rule ip pods post ip saddr 10.233.64.0/24 oifname eth0 masquerade",
    );
  }
  await Promise.all(namespaces.map((each) => each.listen(tcp, udp)));
  for (const each of stacks) await apply(each);
});

afterAll(() => {
  for (const namespace of namespaces) namespace.remove();
  rmSync(root, { recursive: true });
});

/** What answers, by what is asked for: protocol, port, and who it is. */
type Answers = Readonly<Record<string, string>>;

/** Sends a packet to each port of an address, and gives all that arrived anywhere, once what should has arrived. */
async function scan(from: Namespace, address: string, expected: Answers): Promise<void> {
  const others = namespaces.filter((each) => each !== from);
  const seen = new Set<string>();
  const look = async () => {
    for (const { machine, protocol, port } of (
      await Promise.all(others.map((each) => each.arrivals()))
    ).flat())
      seen.add(`${protocol}/${port} ${machine}`);
  };
  await look();
  seen.clear();
  await Promise.all([
    ...tcp.map((port) =>
      `tcp/${port}` in expected ? from.probe("tcp", address, port) : from.knock("tcp", address, port),
    ),
    ...udp.map((port) => from.knock("udp", address, port)),
  ]);
  const wanted = [...new Set(Object.values(expected))].sort();
  await until("all that should answer has", async () => {
    await look();
    return wanted.every((each) => seen.has(each));
  }).catch(() => {});
  expect([...seen].sort(), `${from.machine} → ${address}`).toEqual(wanted);
}

const hosts = (ports: readonly string[]): Answers =>
  Object.fromEntries(ports.map((port) => [port, `${port} host`]));
const kept = "udp/51820";
// Without a way out they ask for names that are listed, and what is sent here is no question (tests/scripts/firewall.test.ts).
const answering = machineServices.filter(({ port }) => port !== 53);
const listed = hosts([...answering.map(({ protocol, port }) => `${protocol}/${port}`), kept]);
const listedTcp = Object.fromEntries(Object.entries(listed).filter(([port]) => port.startsWith("tcp")));
const forwarded = (name: string): Answers =>
  Object.fromEntries(
    Object.entries({
      ...{ "tcp/80": "tcp/31772", "tcp/443": "tcp/31773" },
      ...Object.fromEntries(["tcp/3478", "udp/3478", "udp/32768", "udp/65535"].map((port) => [port, port])),
    }).map(([asked, port]) => [asked, `${port} ${name}-kubenode1`]),
  );
const at = (name: string) => machines[name] as Namespace;

it.each(["wirebox", "beside"])(
  "of the host the machines of %s reach what the list has, at every address",
  async (name) => {
    const own = stacks.find((each) => each.name === name) as (typeof stacks)[number];
    const gateway = `${own.prefix}.1`;
    for (const place of ["datanode1", "pod"])
      for (const address of [gateway, uplink]) await scan(at(`${name}-${place}`), address, listed);
    const linkLocal = /fe80:\S+(?=\/)/.exec(host.run("ip", "-6", "address", "show", "dev", name))?.[0];
    await scan(at(`${name}-datanode1`), `${linkLocal}%eth0`, listedTcp);
    await scan(at(`${name}-datanode1`), own.publicAddress, { ...listed, ...forwarded(name) });
  },
);

it("machines of one stack reach nothing of another's", async () => {
  const datanode = at("wirebox-datanode1");
  for (const address of ["192.168.123.21", "192.168.123.31"]) await scan(datanode, address, {});
  await scan(datanode, "192.168.123.1", listed);
});

it("the internet reaches SSH, what the host keeps, and the public ports", async () => {
  const open = hosts(["tcp/22", kept]);
  await scan(internet, uplink, open);
  for (const { name, publicAddress } of stacks)
    await scan(internet, publicAddress, { ...open, ...forwarded(name) });
  for (const address of ["192.168.122.21", "192.168.122.31"]) await scan(internet, address, {});
  await scan(internet, "192.168.122.1", open);
});

it("a stack that goes takes none of the other's rules along", async () => {
  host.run("nft", "delete", "table", "inet", "beside");
  await scan(at("wirebox-datanode1"), "192.168.122.1", listed);
  await apply(stacks[1]);
});

describe("the scan of lab:verify", () => {
  /** What it says of the host, as a machine finds it, up to port 8100: the others take minutes. */
  const said = async () => {
    const args = everyPort("192.168.122.1", "kubenode1").map((arg) => arg.replace("65535", "8100"));
    const program = readFileSync("tests/acceptance/verify/guest/scan.py", "utf8");
    const { stdout, stderr } = await at("wirebox-datanode1").pipe(program, "python3", "-", ...args);
    expect(stderr).toBe("");
    try {
      // The host of these namespaces answers at every port that it is asked at, that of DHCP too.
      return compareScan(stdout, { ...expectedOfHost, may: (port) => ["udp/67", kept].includes(port) });
    } catch (error) {
      return (error as Error).message;
    }
  };
  afterAll(() => apply(stacks[0]));

  it("finds what is listed, a port too many, and one that is missing", async () => {
    expect(await said()).toBe("udp/123, udp/51820, udp/53, udp/67 and nothing else");
    const open = ["tcp", "dport", "8080", "meta", "mark", "set", admittedMark, "accept"];
    host.run("nft", "insert", "rule", "inet", "wirebox", "to-host", ...open);
    host.run("nft", "flush", "chain", "inet", "wirebox", "names");
    expect(await said()).toBe(
      "tcp/8080 answers and is on no list\nudp/53 is on the list and does not answer",
    );
  }, 120_000);
});

it("docs/security.md shows the list", () => {
  const rows = readFileSync("docs/security.md", "utf8").split("\n");
  for (const { protocol, port, what } of machineServices)
    expect(rows).toContain(`| a machine, a pod | the host | ${port}/${protocol} | ${what} |`);
});
