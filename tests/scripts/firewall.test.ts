import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FirewallArgs, firewallScript, scriptParameters } from "../../components/host/firewall/firewall";
import type { RulesetArgs } from "../../components/host/firewall/ruleset";
import { renderInput } from "../../components/machine/script";
import { cable, type Ended, Namespace } from "../acceptance/verify/namespace";

// The host, the internet and five machines as network namespaces; nothing leaves them, and the script
// writes under a temporary folder. Every probe is a real packet through the kernel's own nft.
const publicAddress = "203.0.113.1";
const uplinkAddress = "198.51.100.1";
const internetAddress = "198.51.100.2";
const kubenodes = ["192.168.122.21", "192.168.122.22", "192.168.122.23"];
const datanode = "192.168.122.31";
const bridgeFilter = "net/bridge/bridge-nf-call-iptables";

const root = mkdtempSync(join(tmpdir(), "wiab-firewall-"));
const directory = join(root, "etc/wiab/wirebox");
const namespaces: Namespace[] = [];
let host: Namespace;
let internet: Namespace;
let kubes: Namespace[];
let data: Namespace;
let machines: Namespace[];

const plain: RulesetArgs = {
  name: "wirebox",
  publicAddress,
  inside: { kind: "bridge", bridge: "wirebox", network: "192.168.122.0/24" },
  kubenodes,
  callingNode: kubenodes[2],
  privateDeployment: false,
  hardenInput: false,
};
const hardened: RulesetArgs = { ...plain, hardenInput: true };

type Options = Partial<Omit<FirewallArgs, "target" | "ruleset">> & {
  readonly step?: "load" | "confirm";
  /** In place of the rendered rules. */
  readonly text?: string;
  readonly systemd?: boolean;
};

/** Runs the firewall's script on the host as a target would. /run and systemctl are not the machine's. */
function script(verb: "apply" | "remove", ruleset: RulesetArgs, options: Options = {}): Promise<Ended> {
  const { step = "load", text, systemd, ...rest } = options;
  const parameters = scriptParameters({ ruleset, publicInterface: "wiab-public", ...rest }, root);
  const input = renderInput(firewallScript, {
    ...parameters,
    RULESET: text ?? parameters.RULESET,
    STEP: step,
  });
  const setting = [
    "mount -t tmpfs tmpfs /run",
    ...(systemd
      ? [
          "mkdir -p /run/systemd/system && mount -t tmpfs tmpfs /usr/local/sbin",
          `install -m 755 ${join(root, "systemctl")} /usr/local/sbin/systemctl`,
        ]
      : []),
    `exec bash -s -- ${verb}`,
  ].join(" && ");
  return host.pipe(input, "unshare", "--mount", "bash", "-c", setting);
}

/** Applies rules, which has to succeed. */
async function apply(ruleset: RulesetArgs, options?: Options): Promise<Ended> {
  const ended = await script("apply", ruleset, options);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return ended;
}

const tables = () => host.run("nft", "list", "tables");
const rules = () => host.run("nft", "-s", "list", "table", "inet", "wirebox");
const handles = () => host.run("nft", "-j", "list", "table", "inet", "wirebox");

/** Every file below the temporary folder with the time of its last change. */
function files(): Record<string, number> {
  return Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file, statSync(file).mtimeMs]),
  );
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`gave up after 30 s waiting until ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

beforeAll(async () => {
  const namespace = (machine: string) => {
    const made = new Namespace(machine);
    namespaces.push(made);
    // Strict, as on careful machines: nothing below may depend on its being off.
    for (const conf of ["all", "default"]) made.set(`net/ipv4/conf/${conf}/rp_filter`, 1);
    return made;
  };
  host = namespace("host");
  internet = namespace("internet");
  kubes = kubenodes.map((_, index) => namespace(`kubenode${index + 1}`));
  data = namespace("datanode1");
  machines = [...kubes, data];

  host.run("ip", "link", "add", "wirebox", "type", "bridge");
  host.run("ip", "address", "add", "192.168.122.1/24", "dev", "wirebox");
  host.run("ip", "link", "set", "wirebox", "up");
  [...kubenodes, datanode].forEach((address, index) => {
    const machine = machines[index] as Namespace;
    cable(host, `port${index}`, machine, "eth0");
    host.run("ip", "link", "set", `port${index}`, "master", "wirebox");
    machine.run("ip", "address", "add", `${address}/24`, "dev", "eth0");
    machine.run("ip", "route", "add", "default", "via", "192.168.122.1");
  });
  cable(host, "uplink", internet, "eth0");
  host.run("ip", "address", "add", `${uplinkAddress}/24`, "dev", "uplink");
  host.run("ip", "address", "add", "2001:db8::1/64", "dev", "uplink", "nodad");
  internet.run("ip", "address", "add", `${internetAddress}/24`, "dev", "eth0");
  internet.run("ip", "address", "add", "2001:db8::2/64", "dev", "eth0", "nodad");
  for (const wanted of [`${publicAddress}/32`, "192.168.122.0/24"]) {
    internet.run("ip", "route", "add", wanted, "via", uplinkAddress);
  }

  const tcp = [22, 53, 80, 443, 3478, 8080, 31772, 31773];
  const udp = [53, 67, 3478, 32767, 32768, 50000, 65535];
  await Promise.all(namespaces.map((each) => each.listen(tcp, udp)));

  writeFileSync(
    join(root, "systemctl"),
    [
      "#!/bin/bash",
      `log=${root}/systemctl.log`,
      'echo "$*" >>"$log"',
      'case "$*" in *is-enabled* | *is-active*) grep -q "enable --now" "$log" ;; esac',
    ].join("\n"),
  );
});

afterAll(() => {
  for (const namespace of namespaces) namespace.remove();
  rmSync(root, { recursive: true });
});

beforeEach(async () => {
  for (const namespace of namespaces) await namespace.arrivals();
});

describe("without the firewall", () => {
  it("the probes below would reach the machines and the host", async () => {
    host.set("net/ipv4/ip_forward", 1);
    expect(await internet.probe("tcp", kubenodes[0] as string, 31772)).toMatchObject({
      machine: "kubenode1",
    });
    expect(await internet.probe("udp", datanode, 50000)).toMatchObject({ machine: "datanode1" });
    expect(await internet.probe("tcp", uplinkAddress, 8080)).toMatchObject({ machine: "host" });
    host.set("net/ipv4/ip_forward", 0);
  });
});

describe("the public ports", () => {
  beforeAll(() => apply(plain));

  it.each([
    [80, 31772],
    [443, 31773],
  ])(
    "tcp %i goes to port %i of every kubenode in turn, with the client's own address",
    async (port, nodePort) => {
      const answers = [];
      for (let turn = 0; turn < 6; turn++) answers.push(await internet.probe("tcp", publicAddress, port));
      for (const answer of answers) {
        expect(answer).toMatchObject({ port: nodePort, protocol: "tcp", from: internetAddress });
      }
      const reached = answers.map((answer) => ("machine" in answer ? answer.machine : ""));
      expect(reached.slice(0, 3).sort()).toEqual(["kubenode1", "kubenode2", "kubenode3"]);
      expect(reached.slice(3)).toEqual(reached.slice(0, 3));
    },
  );

  it.each([
    ["tcp", 3478],
    ["udp", 3478],
    ["udp", 32768],
    ["udp", 50000],
    ["udp", 65535],
  ] as const)(
    "%s %i goes to the calling node, which sees the client's own address",
    async (protocol, port) => {
      expect(await internet.probe(protocol, publicAddress, port)).toMatchObject({
        machine: "kubenode3",
        protocol,
        port,
        from: internetAddress,
      });
    },
  );

  it("other ports are the host's own", async () => {
    for (const port of [22, 8080, 31772]) {
      expect(await internet.probe("tcp", publicAddress, port)).toMatchObject({ machine: "host", port });
    }
    await internet.knock("udp", publicAddress, 32767);
    // The same way, and answered: whatever was sent before has arrived wherever it goes.
    await internet.probe("udp", publicAddress, 32768);
    const arrived = (await Promise.all(machines.map((machine) => machine.arrivals()))).flat();
    expect(arrived.map(({ machine, port }) => [machine, port])).toEqual([["kubenode3", 32768]]);
    expect(await host.arrivals()).toContainEqual(expect.objectContaining({ protocol: "udp", port: 32767 }));
  });

  it("no other address of the host is forwarded", async () => {
    for (const port of [80, 443, 3478]) {
      expect(await internet.probe("tcp", uplinkAddress, port)).toMatchObject({ machine: "host", port });
    }
    expect(await internet.probe("udp", uplinkAddress, 50000)).toMatchObject({ machine: "host" });
  });

  it("no machine is reached directly from outside", async () => {
    const knocks = machines.map((_, index) => {
      const address = [...kubenodes, datanode][index] as string;
      return [internet.knock("tcp", address, 31773), internet.knock("udp", address, 50000)];
    });
    expect(await Promise.all(knocks.flat())).toEqual(knocks.flat().map(() => ({ none: "no answer" })));
    for (let turn = 0; turn < 3; turn++) await internet.probe("tcp", publicAddress, 80);
    const arrived = (await Promise.all(machines.map((machine) => machine.arrivals()))).flat();
    expect(arrived.map(({ port }) => port)).toEqual([31772, 31772, 31772]);
  });

  it("without a calling node its ports stay the host's", async () => {
    await apply({ ...plain, callingNode: undefined });
    expect(await internet.probe("tcp", publicAddress, 3478)).toMatchObject({ machine: "host" });
    expect(await internet.probe("udp", publicAddress, 50000)).toMatchObject({ machine: "host" });
    expect(await internet.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });
    await apply(plain);
  });

  it("an open connection goes on while the rules are replaced, new ones follow the new rules", async () => {
    const opened = await internet.open(publicAddress, 443);
    const others = { ...plain, kubenodes: [datanode] };
    await apply(others);
    expect(await internet.again()).toEqual(opened);
    expect(await internet.probe("tcp", publicAddress, 443)).toMatchObject({ machine: "datanode1" });
    await apply(plain);
  });

  it("the public address may be that of a real interface", async () => {
    await apply({ ...plain, publicAddress: uplinkAddress }, { publicInterface: undefined });
    expect(host.run("ip", "-o", "link")).not.toContain("wiab-public");
    expect(await internet.probe("tcp", uplinkAddress, 443)).toMatchObject({ port: 31773 });
    // From a port that is forwarded, too: the answer belongs to what the host began.
    expect(await host.probe("udp", internetAddress, 3478, 45000)).toMatchObject({
      machine: "internet",
      fromPort: 45000,
    });
    await apply(plain);
    expect(host.run("ip", "-o", "-4", "address", "show", "dev", "wiab-public")).toContain(publicAddress);
  });
});

describe("a host behind a router that translates the public address to its own", () => {
  const translated = { ...plain, publicAddress: "203.0.113.77", localAddress: uplinkAddress };
  const kept = { ...translated, hostPorts: ["udp/50000"], hardenInput: true };
  const none = { publicInterface: undefined };
  afterAll(() => apply(plain));

  it("without its own address none of the clients' packets gets to a machine", async () => {
    const { localAddress: _, ...untranslated } = translated;
    await apply(untranslated, none);
    expect(await internet.probe("tcp", uplinkAddress, 443)).not.toMatchObject({ port: 31773 });
  });

  it("forwards what the router sends to its own address, and what machines send to the public one", async () => {
    await apply(translated, none);
    expect(await internet.probe("tcp", uplinkAddress, 443)).toMatchObject({ port: 31773 });
    expect(await internet.probe("udp", uplinkAddress, 50000)).toMatchObject({ machine: "kubenode3" });
    expect(await data.probe("tcp", translated.publicAddress, 443)).toMatchObject({
      port: 31773,
      from: translated.publicAddress,
    });
    // The router translates its address, and that of nobody else.
    expect(await (kubes[2] as Namespace).probe("udp", internetAddress, 3478, 40011)).toMatchObject({
      from: uplinkAddress,
      fromPort: 40011,
    });
  });

  it("keeps the host's own ports, and lets everybody in on them", async () => {
    expect(await internet.probe("udp", uplinkAddress, 50000)).toMatchObject({ machine: "kubenode3" });
    await apply(kept, none);
    await apply(kept, { ...none, step: "confirm" });
    expect(await internet.probe("udp", uplinkAddress, 50000)).toMatchObject({ machine: "host", port: 50000 });
    expect(await internet.probe("udp", uplinkAddress, 32768)).toMatchObject({ machine: "kubenode3" });
  });
});

describe.each([1, 0])("from inside, bridged packets filtered: %i", (filtered) => {
  beforeAll(async () => {
    // Only where the kernel has br_netfilter, which Docker and Kubernetes load, is there a choice.
    if (existsSync(join("/proc/sys", bridgeFilter))) host.set(bridgeFilter, filtered);
    await apply(plain);
  });

  it("each machine reaches the public address and is seen with it", async () => {
    for (const machine of machines) {
      const answer = await machine.probe("tcp", publicAddress, 443);
      expect(answer).toMatchObject({ port: 31773, from: publicAddress });
    }
    expect(await data.probe("udp", publicAddress, 50000, 40000)).toMatchObject({
      machine: "kubenode3",
      from: publicAddress,
      fromPort: 40000,
    });
  });

  // Where they are filtered the kernel does not allow it, see renderRuleset.
  if (!filtered)
    it("a machine reaches even itself: relayed calls meet at the calling node", async () => {
      expect(await (kubes[2] as Namespace).probe("udp", publicAddress, 50000, 40003)).toMatchObject({
        machine: "kubenode3",
        port: 50000,
        from: publicAddress,
        fromPort: 40003,
      });
      const reached = [];
      for (let turn = 0; turn < 3; turn++) {
        reached.push(await (kubes[0] as Namespace).probe("tcp", publicAddress, 443));
      }
      expect(reached.map((answer) => ("machine" in answer ? answer.machine : answer.none)).sort()).toEqual([
        "kubenode1",
        "kubenode2",
        "kubenode3",
      ]);
    });

  it("the host itself reaches the public address", async () => {
    expect(await host.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });
    expect(await host.probe("udp", publicAddress, 50000)).toMatchObject({ machine: "kubenode3" });
  });

  it("machines reach each other, what the host has for them, and the internet with the host's address", async () => {
    expect(await data.probe("tcp", kubenodes[0] as string, 31772)).toMatchObject({ from: datanode });
    expect(await data.probe("udp", "192.168.122.1", 67)).toMatchObject({ machine: "host" });
    expect(await data.knock("tcp", "192.168.122.1", 8080)).toHaveProperty("none");
    expect(await data.probe("tcp", internetAddress, 443)).toMatchObject({ from: uplinkAddress });
    expect(await data.probe("udp", internetAddress, 50000)).toMatchObject({ from: uplinkAddress });
  });

  it("media that the calling node sends first has the public address and its own port", async () => {
    const seen = { machine: "internet", from: publicAddress, fromPort: 40001 };
    expect(await (kubes[2] as Namespace).probe("udp", internetAddress, 3478, 40001)).toMatchObject(seen);
  });
});

describe("a private deployment", () => {
  const names = ["kubenode1", "21.122.168.192.in-addr.arpa", "nginz-https.a-rather-long-name.example.com"];
  const server = "192.168.122.1";
  beforeAll(async () => {
    // Else a machine does not reach itself, see above.
    if (existsSync(join("/proc/sys", bridgeFilter))) host.set(bridgeFilter, 0);
    await apply({ ...plain, privateDeployment: true, names });
  });

  it("refuses what machines start towards the outside, at once", async () => {
    expect(await data.probe("tcp", internetAddress, 443)).toEqual({ none: "EHOSTUNREACH" });
    expect(await (kubes[2] as Namespace).probe("tcp", internetAddress, 443)).toEqual({
      none: "EHOSTUNREACH",
    });
    await data.knock("udp", internetAddress, 50000);
    expect(await internet.arrivals()).toEqual([]);
  });

  it("lets the calling node begin nothing, and a call that a client begins takes the very same ports", async () => {
    const calling = kubes[2] as Namespace;
    for (const port of [3478, 50000]) await calling.knock("udp", internetAddress, port);
    for (const port of [3478, 65535])
      expect(await calling.knock("udp", internetAddress, port, 40021)).toEqual({ none: "no answer" });
    expect(await internet.arrivals()).toEqual([]);
    expect(await internet.probe("udp", publicAddress, 50000, 40021)).toMatchObject({ machine: "kubenode3" });
  });

  it("answers for the names that are listed, to no other question, and over UDP alone", async () => {
    for (const name of names)
      expect(await data.resolve(server, name, 15_000), name).toMatchObject({ machine: "host", port: 53 });
    await host.arrivals();
    const others = [
      ...["example.com", "kubenode", "kubenode11", "a.kubenode1", "kubenode1.example.com", "kubenode2"],
      ...["a.nginz-https.a-rather-long-name.example.com", "nginz-https.a-rather-long-name.example.org"],
    ];
    for (const name of others) await data.resolve(server, name, 300);
    // From a port that has just been answered, too.
    expect(await data.resolve(server, "kubenode1", 15_000, 45_000)).toMatchObject({ machine: "host" });
    for (const name of others) await data.resolve(server, name, 300, 45_000);
    await data.knock("udp", server, 53);
    await data.knock("tcp", server, 53);
    expect(await host.arrivals()).toHaveLength(1);
    // A call's ports are no way past.
    await (kubes[2] as Namespace).resolve(server, "example.com", 300, 50_001);
    expect(await host.arrivals()).toEqual([]);
  });

  it("serves the outside and the machines themselves as before, calls included", async () => {
    expect(await internet.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });
    expect(await internet.probe("udp", publicAddress, 50000)).toMatchObject({ machine: "kubenode3" });
    expect(await data.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });
    // Two relays meet, each with the public address.
    expect(await (kubes[2] as Namespace).probe("udp", publicAddress, 65535, 40002)).toMatchObject({
      ...{ machine: "kubenode3", from: publicAddress, fromPort: 40002 },
    });
  });
});

describe("the table", () => {
  it("does not change when the same rules are applied again", async () => {
    await apply(plain);
    const before = { handles: handles(), files: files(), links: host.run("ip", "address") };
    await apply(plain);
    expect({ handles: handles(), files: files(), links: host.run("ip", "address") }).toEqual(before);
    await apply({ ...plain, kubenodes: [kubenodes[0] as string] });
    expect(handles()).not.toBe(before.handles);
  });

  it.each([
    ["a rule too many", ["insert", "rule", "inet", "wirebox", "to-machines", "accept"]],
    ["an emptied chain", ["flush", "chain", "inet", "wirebox", "services"]],
    ["no table at all", ["delete", "table", "inet", "wirebox"]],
  ])("is restored from %s", async (_, command) => {
    await apply(plain);
    const before = rules();
    host.run("nft", ...command);
    await apply(plain);
    expect(rules()).toBe(before);
  });

  it("stays as it is when the new rules are broken, and the error shows what nft says", async () => {
    await apply(plain);
    const before = handles();
    const text = scriptParameters({ ruleset: plain }).RULESET.replace("dnat ip to", "dnat ip two");
    const ended = await script("apply", plain, { text });
    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toContain("nft refuses the rules of table wirebox; those in place are unchanged");
    expect(ended.stderr).toContain("syntax error");
    expect(handles()).toBe(before);
  });

  it("is the only one touched, and gone with all else when removed", async () => {
    await script("remove", plain);
    const others =
      "table ip another {\n chain input {\n type filter hook input priority 0; counter accept\n}\n}\n";
    await host.pipe(others, "nft", "-f", "-");
    host.run("ip", "link", "add", "elsewhere", "type", "bridge");
    const untouched = {
      tables: tables(),
      another: host.run("nft", "-j", "-s", "list", "ruleset"),
      links: host.run("ip", "-o", "link"),
      files: files(),
    };
    await apply(plain);
    expect(tables()).toBe(`${untouched.tables}table inet wirebox\n`);
    expect(host.run("nft", "-s", "list", "ruleset")).toContain("table ip another");
    expect(Object.keys(files())).toEqual(
      expect.arrayContaining([
        join(directory, "ruleset.nft"),
        join(root, "etc/sysctl.d/60-wiab-wirebox.conf"),
      ]),
    );

    expect(await script("remove", plain)).toMatchObject({ code: 0, stderr: "" });
    expect({
      tables: tables(),
      another: host.run("nft", "-j", "-s", "list", "ruleset"),
      links: host.run("ip", "-o", "link"),
      files: files(),
    }).toEqual(untouched);
    expect(await script("remove", plain)).toMatchObject({ code: 0, stderr: "" });
    host.run("nft", "delete", "table", "ip", "another");
    host.run("ip", "link", "delete", "elsewhere");
  });

  it("of somebody else is neither replaced nor removed", async () => {
    host.run("nft", "add", "table", "inet", "wirebox");
    for (const verb of ["apply", "remove"] as const) {
      const ended = await script(verb, plain);
      expect(ended.code).not.toBe(0);
      expect(ended.stderr).toContain('an nft table "inet wirebox" of another origin');
    }
    expect(tables()).toContain("table inet wirebox");
    host.run("nft", "delete", "table", "inet", "wirebox");
  });

  it("leaves an interface of somebody else alone", async () => {
    const before = host.run("ip", "-o", "address", "show", "dev", "uplink");
    const ended = await script("apply", plain, { publicInterface: "uplink" });
    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toContain("the interface uplink exists and was not made for this firewall");
    await script("remove", plain, { publicInterface: "uplink" });
    expect(host.run("ip", "-o", "address", "show", "dev", "uplink")).toBe(before);
  });

  it("is brought back at boot by what the unit runs, where systemd is", async () => {
    const log = join(root, "systemctl.log");
    await apply(plain, { systemd: true });
    expect(readFileSync(log, "utf8")).toContain("enable --now wiab-firewall-wirebox.service");
    const enabled = readFileSync(log, "utf8").split("\n").length;
    await apply(plain, { systemd: true });
    const asked = readFileSync(log, "utf8")
      .split("\n")
      .slice(enabled - 1);
    expect(asked.filter((line) => !line.includes("is-"))).toEqual([""]);

    const before = rules();
    host.run("nft", "delete", "table", "inet", "wirebox");
    host.run("ip", "link", "delete", "wiab-public");
    const unitFile = join(root, "etc/systemd/system/wiab-firewall-wirebox.service");
    for (const [, command] of readFileSync(unitFile, "utf8").matchAll(/^ExecStart=-?(.*)$/gm)) {
      host.run("bash", "-c", command as string);
    }
    expect(rules()).toBe(before);
    expect(await internet.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });

    await script("remove", plain, { systemd: true });
    expect(existsSync(unitFile)).toBe(false);
    expect(host.run("ip", "-o", "link")).not.toContain("wiab-public");
    rmSync(log);
  });

  it("is said not to come back at boot where systemd is not", async () => {
    expect((await apply(plain)).stdout).toContain("systemd does not run here");
  });
});

describe("a hardened host", () => {
  beforeAll(async () => {
    await apply(plain);
    await apply(hardened);
    await apply(hardened, { step: "confirm" });
  });
  afterAll(() => apply(plain));

  it("is reached over SSH and by ping alone, on IPv4 and IPv6", async () => {
    for (const address of [uplinkAddress, publicAddress, "2001:db8::1"]) {
      expect(await internet.probe("tcp", address, 22)).toMatchObject({ machine: "host", port: 22 });
      await internet.knock("tcp", address, 8080);
      expect(internet.run("ping", "-c", "1", "-W", "15", address)).toContain(" 0% packet loss");
    }
    await internet.knock("udp", uplinkAddress, 50000);
    expect(await internet.probe("tcp", uplinkAddress, 22)).toMatchObject({ machine: "host" });
    expect((await host.arrivals()).map(({ port }) => port)).toEqual([22, 22, 22, 22]);
  });

  it("serves its machines and itself, reaches out, and forwards the public ports", async () => {
    expect(await data.probe("udp", "192.168.122.1", 67)).toMatchObject({ machine: "host" });
    expect(await host.probe("tcp", "127.0.0.1", 8080)).toMatchObject({ machine: "host" });
    expect(await host.probe("tcp", internetAddress, 8080)).toMatchObject({ machine: "internet" });
    expect(await internet.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });
    expect(await internet.probe("udp", publicAddress, 50000)).toMatchObject({ machine: "kubenode3" });
    expect(await data.probe("tcp", publicAddress, 443)).toMatchObject({ port: 31773 });
  });

  it("takes another port for SSH", async () => {
    await apply({ ...hardened, sshPort: 8080 });
    await apply({ ...hardened, sshPort: 8080 }, { step: "confirm" });
    expect(await internet.probe("tcp", uplinkAddress, 8080)).toMatchObject({ machine: "host" });
    await internet.knock("tcp", uplinkAddress, 22);
    expect((await host.arrivals()).map(({ port }) => port)).toEqual([8080]);
  });
});

describe("the guard", () => {
  const withdrawn = join(directory, "withdrawn");
  const kept = () => readFileSync(join(directory, "ruleset.nft"), "utf8");
  const guards = () =>
    readdirSync("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
      } catch {
        return false;
      }
    });

  // A process comes and goes a little later than what it was started and ended by.
  const guarded = (by: 0 | 1) => until(`${by} guards run`, () => guards().length === by);

  beforeEach(async () => {
    await apply(plain);
    await guarded(0);
  });

  it("brings the former rules back when nobody confirms, and a late confirmation fails", async () => {
    const former = rules();
    const loaded = await apply(hardened, { guardSeconds: 2 });
    expect(loaded.stdout).toContain("the former rules come back in 2 s");
    await until("the rules are withdrawn", () => existsSync(withdrawn));
    expect(rules()).toBe(former);
    expect(kept()).toBe(scriptParameters({ ruleset: plain }).RULESET);
    await guarded(0);

    const late = await script("apply", hardened, { step: "confirm", guardSeconds: 60 });
    expect(late.code).not.toBe(0);
    expect(late.stderr).toContain("no new connection confirmed them, so the former ones came back at 20");
    // The way on that the error names.
    await apply(hardened, { step: "confirm", guardSeconds: 60 });
    expect(rules()).toContain("chain input");
    expect(kept()).toBe(scriptParameters({ ruleset: hardened }).RULESET);
  });

  it("brings back having no table where there was none", async () => {
    await script("remove", plain);
    await apply(hardened, { guardSeconds: 2 });
    await until("the rules are withdrawn", () => existsSync(withdrawn));
    expect(tables()).not.toContain("table inet wirebox");
    expect(existsSync(join(directory, "ruleset.nft"))).toBe(false);
  });

  it("goes when the rules are confirmed", async () => {
    await apply(hardened, { guardSeconds: 60 });
    await guarded(1);
    expect(kept()).toBe(scriptParameters({ ruleset: plain }).RULESET);
    const confirmed = await apply(hardened, { step: "confirm", guardSeconds: 60 });
    expect(confirmed.stdout).toContain("so the former rules do not come back");
    await guarded(0);
    expect(rules()).toContain("chain input");
    expect(kept()).toBe(scriptParameters({ ruleset: hardened }).RULESET);
    expect(readdirSync(directory).sort()).toEqual(["lock", "ruleset.nft"]);

    const before = handles();
    await apply(hardened, { step: "confirm", guardSeconds: 60 });
    expect(handles()).toBe(before);
  });

  it("goes back to what was confirmed last, not to other rules on probation", async () => {
    const former = rules();
    await apply({ ...hardened, sshPort: 2222 }, { guardSeconds: 60 });
    await apply(hardened, { guardSeconds: 2 });
    await until("the rules are withdrawn", () => existsSync(withdrawn));
    expect(rules()).toBe(former);
    await guarded(0);
  });

  it("goes when the firewall is removed", async () => {
    await apply(hardened, { guardSeconds: 60 });
    expect(await script("remove", hardened)).toMatchObject({ code: 0, stderr: "" });
    await guarded(0);
    expect(tables()).not.toContain("table inet wirebox");
    expect(existsSync(directory)).toBe(false);
  });
});
