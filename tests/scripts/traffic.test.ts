import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { loadScript, renderInput } from "../../components/machine/script";
import { cable, Namespace } from "../acceptance/verify/namespace";
import { PrivateLibvirt } from "../fixtures/libvirtd";

// A machine that takes another's place on the bridge. The script ties the port of a real domain of a real libvirt; what
// libvirt has tied there then holds for a cable as well, through which real frames go.

// libvirt takes seconds for each change of a filter, and many more beside others.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const own = { mac: "52:54:00:00:00:31", ip: "192.168.122.31" };
const neighbour = { mac: "52:54:00:00:00:32", ip: "192.168.122.32" };
const gateway = { mac: "52:54:00:00:00:01", ip: "192.168.122.1" };

let libvirt: PrivateLibvirt;
let attacker: Namespace;
let victim: Namespace;

const virsh = (...args: string[]) => libvirt.run("virsh", "--connect", "qemu:///system", ...args);

const domain = `<domain type='qemu'><name>wirebox-datanode1</name><memory unit='MiB'>16</memory>
  <os><type>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
  <interface type='network'><mac address='${own.mac}'/><source network='wirebox'/></interface></devices></domain>`;
const network =
  "<network><name>wirebox</name><forward mode='open'/><bridge name='wirebox' stp='off'/><ip address='192.168.122.1' prefix='24'/></network>";

/** Runs the script on the host. */
function tie(parameters: Readonly<Record<string, string>> = {}) {
  const input = renderInput(loadScript("components/host/machine", "traffic.sh"), {
    ...{ DOMAIN: "wirebox-datanode1", DOMAIN_ID: "1", MAC: own.mac, ADDRESS: own.ip },
    ...parameters,
  });
  const [command = "", ...args] = [...libvirt.within, "bash", "-s", "--", "apply"];
  const child = spawn(command, args);
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => said.push(`${text}`));
  child.stdin.end(input);
  return once(child, "close").then(([code]) => ({ code, said: said.join("") }));
}

const bytes = (address: string) =>
  address.includes(":")
    ? address.replaceAll(":", "")
    : address
        .split(".")
        .map((part) => Number(part).toString(16).padStart(2, "0"))
        .join("");
const marked = (name: string) => Buffer.from(`<${name}>`).toString("hex");
const short = (value: number) => value.toString(16).padStart(4, "0");

/** A datagram over UDP. @param to - Whom it is for. */
function udp(name: string, mac: string, from: string, ports: [number, number], to = neighbour): string {
  const payload = marked(name);
  const length = payload.length / 2;
  const datagram = `${short(ports[0])}${short(ports[1])}${short(8 + length)}0000${payload}`;
  const header = (sum: string) => `4500${short(28 + length)}000000004011${sum}${bytes(from)}${bytes(to.ip)}`;
  // A kernel that filters bridged packets drops those with a wrong sum.
  const words = (header("0000").match(/.{4}/g) ?? []).map((word) => Number.parseInt(word, 16));
  const sum = words.reduce((all, word) => all + word, 0);
  const checksum = short(0xffff - ((sum & 0xffff) + (sum >> 16)));
  return `${bytes(to.mac)}${bytes(mac)}0800${header(checksum)}${datagram}`;
}

/** An answer to who has an address. */
const arp = (name: string, mac: string, claims: { readonly mac: string; readonly ip: string }) =>
  `${bytes(neighbour.mac)}${bytes(mac)}08060001080006040002${bytes(claims.mac)}${bytes(claims.ip)}${bytes(neighbour.mac)}${bytes(neighbour.ip)}${marked(name)}`;

const allowed = {
  asks: udp("asks", own.mac, "0.0.0.0", [68, 67], { mac: "ff:ff:ff:ff:ff:ff", ip: "255.255.255.255" }),
  answers: arp("answers", own.mac, own),
  sends: udp("sends", own.mac, own.ip, [40000, 40000]),
};
const refused = {
  "another's address": udp("another's address", own.mac, "192.168.122.33", [40000, 40000]),
  "the internet's address": udp("the internet's address", own.mac, "198.51.100.7", [40000, 40000]),
  "a pod's address": udp("a pod's address", own.mac, "10.233.64.7", [40000, 40000]),
  "another's whole place": udp(
    "another's whole place",
    "52:54:00:00:00:33",
    "192.168.122.33",
    [40000, 40000],
  ),
  "another MAC": udp("another MAC", "52:54:00:00:00:99", own.ip, [40000, 40000]),
  "who has the gateway": arp("who has the gateway", own.mac, { mac: own.mac, ip: gateway.ip }),
  "whose MAC it is": arp("whose MAC it is", own.mac, { mac: "52:54:00:00:00:33", ip: own.ip }),
  "a router for IPv6": `333300000001${bytes(own.mac)}86dd60000000${short(marked("a router for IPv6").length / 2)}3aff${"fe80".padEnd(32, "0")}${"ff02".padEnd(31, "0")}1${marked("a router for IPv6")}`,
};

/** Sends frames one after another, and gives the names of those that the neighbour sees. */
async function seen(): Promise<string[]> {
  // The last one passes in any case, and says that all others had their time.
  const frames = { ...refused, ...allowed };
  const eyes = spawn("ip", [
    ...["netns", "exec", victim.name, "python3", "tests/fixtures/frames.py", "see", ...Object.keys(frames)],
  ]);
  const closed = once(eyes, "close");
  const lines: string[] = [];
  const reader = createInterface({ input: eyes.stdout });
  await new Promise<void>((ready) =>
    reader.on("line", (line) => (line === "ready" ? ready() : lines.push(line))),
  );
  await attacker.pipe(
    Object.values(frames)
      .map((frame) => `${JSON.stringify(frame)}\n`)
      .join(""),
    ...["python3", "tests/fixtures/frames.py", "send"],
  );
  await closed;
  return lines.sort();
}

const names = (frames: Readonly<Record<string, string>>) => Object.keys(frames).sort();
const port = () => /^\s*(\S+)/.exec(virsh("domiflist", "wirebox-datanode1").split("\n")[2] ?? "")?.[1] ?? "";

beforeAll(async () => {
  attacker = new Namespace("attacker");
  victim = new Namespace("victim");
  // It knows the namespaces that are there when it starts.
  libvirt = new PrivateLibvirt();
  await libvirt.ready();
  for (const [text, verb] of [
    [network, "net-define"],
    [domain, "define"],
  ] as const)
    libvirt.run("bash", "-c", `f=$(mktemp); echo "$1" >$f; virsh -c qemu:///system ${verb} $f`, "-", text);
  virsh("net-start", "wirebox");
  virsh("start", "wirebox-datanode1");
  for (const [machine, link] of [
    [attacker, "cable0"],
    [victim, "cable1"],
  ] as const) {
    cable(libvirt, link, machine, "eth0");
    libvirt.run("ip", "link", "set", link, "master", "wirebox");
  }
  victim.run("ip", "link", "set", "eth0", "address", neighbour.mac);
});

afterAll(async () => {
  virsh("destroy", "wirebox-datanode1");
  for (const namespace of [attacker, victim]) namespace.remove();
  await libvirt.stop();
});

it("without the filter a machine takes any place that it likes", async () => {
  expect(await seen()).toEqual(names({ ...allowed, ...refused }));
});

it("with it, it sends as itself alone, and goes on running meanwhile", async () => {
  const id = virsh("domid", "wirebox-datanode1");
  expect(await tie()).toEqual({
    code: 0,
    said: `wirebox-datanode1 sends as ${own.mac} with ${own.ip} alone\n`,
  });
  expect(virsh("domid", "wirebox-datanode1")).toBe(id);
  const tied = virsh("nwfilter-binding-dumpxml", port())
    .replace(/<uuid>.*<\/uuid>/, "<uuid>5c6fcd3a-62a8-4d33-9dc8-6a4c7e3a7b10</uuid>")
    .replace(/(<portdev name=')[^']*/, "$1cable0");
  libvirt.run(
    ...[
      "bash",
      "-c",
      'f=$(mktemp); echo "$1" >$f; virsh -c qemu:///system nwfilter-binding-create $f',
      "-",
      tied,
    ],
  );
  expect(await seen()).toEqual(names(allowed));
});

it("the filter is in what the next start is made of", async () => {
  virsh("destroy", "wirebox-datanode1");
  virsh("start", "wirebox-datanode1");
  expect(virsh("nwfilter-binding-list")).toMatch(new RegExp(`${port()} +clean-traffic`));
});

it("follows another address, and comes back where nft's tables were flushed", async () => {
  expect(await tie({ ADDRESS: "192.168.122.41" })).toMatchObject({ code: 0 });
  const rules = () => libvirt.run("nft", "list", "table", "bridge", "nat");
  expect(rules()).toContain("192.168.122.41");
  libvirt.run("nft", "flush", "ruleset");
  expect(await tie()).toMatchObject({ code: 0 });
  expect(rules()).toContain(own.ip);
  expect(rules()).not.toContain("192.168.122.41");
});

it("says which interface it misses", async () => {
  expect(await tie({ MAC: "52:54:00:00:00:77", ADDRESS: "192.168.122.77" })).toEqual({
    code: 1,
    said: "error: wirebox-datanode1 has no interface with the address 52:54:00:00:00:77\n",
  });
});
