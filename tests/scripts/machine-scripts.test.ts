import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { admittedMark } from "../../components/host/firewall/host-services";
import { renderRuleset } from "../../components/host/firewall/ruleset";
import { preflightScript } from "../../components/host/preflight/preflight";
import { loadScript, renderInput } from "../../components/machine/script";
import { type Ended, Namespace } from "../acceptance/verify/namespace";
import { listen, stop } from "../fixtures/http-server";

// The scripts for the host as a target runs them, in a network namespace that plays the host. Programs that
// would reach the machine itself (virsh above all) are stand-ins that lie first on the scripts' PATH, in a
// mount namespace of each run; a stand-in for virsh writes down how it was called.

let root: string;
let host: Namespace;

beforeAll(() => {
  host = new Namespace("host");
});
afterAll(() => host.remove());

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-scripts-"));
  mkdirSync(join(root, "programs"));
  chmodSync(root, 0o755);
});
afterEach(() => rmSync(root, { recursive: true }));

/** Makes a stand-in for a program out of the body of a bash script. */
function standIn(name: string, body: string): void {
  const file = join(root, "programs", name);
  writeFileSync(file, `#!/bin/bash\n${body}\n`);
  chmodSync(file, 0o755);
}

/** Makes a virsh that answers what the patterns of a shell's `case` say, and knows nothing else. */
function virsh(answers: Readonly<Record<string, string>>): void {
  const arms = Object.entries(answers).map(([pattern, body]) => `${pattern}) ${body} ;;`);
  standIn(
    "virsh",
    [
      '[ "$1 $2" = "--connect qemu:///system" ] || { echo "not the system libvirt: $*" >&2; exit 2; }',
      "shift 2",
      `echo "$*" >>${join(root, "calls")}`,
      'case "$*" in',
      ...arms,
      '*) echo "error: failed to get it: $*" >&2; exit 1 ;;',
      "esac",
    ].join("\n"),
  );
}

/** How virsh was called since it was asked last. */
function calls(): string[] {
  const file = join(root, "calls");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  rmSync(file);
  return lines;
}

interface Where {
  /** Whether it shares this process's network, for a web server of the test's. @default false */
  readonly ownNetwork?: boolean;
  /** Shell commands before it, in its mount namespace. @default none */
  readonly setting?: readonly string[];
}

/** Runs a script of components/host as the host would; nothing outside of its folders is touched. */
function run(
  file: string,
  verb: "apply" | "update" | "remove",
  parameters: Readonly<Record<string, string>>,
  { ownNetwork = false, setting = [] }: Where = {},
): Promise<Ended> {
  const path = join("components/host", file);
  const shared = file.startsWith("depot/") ? [findings] : [];
  const script =
    file === "preflight/preflight.sh"
      ? preflightScript
      : loadScript(dirname(path), basename(path), ...shared);
  const input = renderInput(script, parameters);
  const commands = [
    // The first folder of the PATH that the prelude sets.
    "mount -t tmpfs tmpfs /usr/local/sbin",
    `cp -a ${join(root, "programs")}/. /usr/local/sbin`,
    ...setting,
    `exec bash -s -- ${verb}`,
  ];
  const isolated = ["unshare", "--mount", "--uts", "bash", "-c", commands.join(" && ")];
  return ownNetwork
    ? new Promise((resolve) => {
        const [command = "", ...args] = isolated;
        const env = { ...process.env, no_proxy: "127.0.0.1" };
        const child = execFile(command, args, { env }, (error, stdout, stderr) =>
          resolve({ code: error ? Number(error.code ?? 255) : 0, stdout, stderr }),
        );
        child.stdin?.end(input);
      })
    : host.pipe(input, ...isolated);
}

const succeeded = { code: 0, stderr: "" };
const findings = "components/host/preflight/findings.sh";

describe("depot.sh", () => {
  it("wants what handing out an artifact takes, and nothing of a hypervisor", async () => {
    standIn("skopeo", "exit 0");
    mkdirSync(join(root, "artifact"));
    const locations = (path: string) => ({
      ARTIFACT_LOCATIONS: `${path}\nhttps://files.example.com/artifact`,
    });
    expect(await run("depot/depot.sh", "apply", locations(join(root, "artifact")))).toMatchObject(succeeded);
    const refused = await run("depot/depot.sh", "apply", locations(join(root, "elsewhere")));
    expect(refused.code).toBe(1);
    expect(refused.stdout).toBe(
      `finding 1: the host has no directory ${join(root, "elsewhere")} (artifact.sources): copy the artifact there\n`,
    );
    expect(refused.stderr).toMatch(/is not ready \(1 findings above\); nothing was changed\n$/);
    // What is unpacked is needed no more.
    expect(await run("depot/depot.sh", "update", locations(join(root, "elsewhere")))).toMatchObject(
      succeeded,
    );
  });
});

describe("preflight.sh", () => {
  const parameters = () => ({
    NETWORK: "wirebox",
    CIDR: "192.168.122.0/24",
    POOL_PATH: join(root, "pool"),
    VIRTUALIZATION: "kvm",
    IMAGE_SOURCE: "https://images.example.com/guest.qcow2",
    MEMORY_MIB: "64",
    VCPUS: "1",
    DISK_BYTES: "1000000",
    IMAGE_BYTES: "1000",
    MACHINES: "2",
    DOMAINS: "wirebox-assethost wirebox-kubenode1",
    PUBLIC_ADDRESS: "203.0.113.1",
    LOCAL_ADDRESS: "203.0.113.1",
    HOST_PORTS: "",
    ADMITTED_MARK: admittedMark,
    MACHINE_SERVICES: "udp/53 tcp/53 udp/67 udp/123",
    NODE_PORTS: "80:31772 443:31773",
    TAKEN_PORTS: "tcp 80 80\ntcp 443 443\nudp 3478 3478\nudp 32768 65535",
    PUBLIC_INTERFACE: "",
    ARTIFACT_LOCATIONS: "",
  });
  const healthy = {
    "'version --daemon'": "echo 'Running against daemon: 9.0.0'",
    "'domcapabilities --virttype kvm'": "echo '<domainCapabilities/>'",
    "'nwfilter-dumpxml clean-traffic'": "true",
    "'net-list --all --name'": "printf 'default\\nother\\n\\n'",
    "'net-dumpxml default'": `echo "<ip address='192.168.124.1' netmask='255.255.255.0'>"`,
    "'net-dumpxml other'": `echo "<ip address='10.0.0.1' netmask='255.0.0.0'>"`,
  };
  /** All of the kernel's network settings that a script could change. */
  const network = () =>
    [
      ["nft", "list", "ruleset"],
      ["ls", "/sys/class/net"],
      ["ip", "-4", "-oneline", "address"],
      ["ip", "-4", "route", "show", "table", "all"],
      ["sysctl", "-a", "--pattern", "^net\\.ipv[46]\\.(ip_forward|conf\\..*forwarding)"],
    ].map(([command = "", ...args]) => host.run(command, ...args));

  beforeEach(() => {
    host.run("ip", "address", "add", "203.0.113.1/32", "dev", "lo");
    // Looked for, not called: this machine need not have them.
    for (const program of ["ebtables", "genisoimage"]) standIn(program, "exit 99");
    virsh(healthy);
  });
  afterEach(() => {
    host.run("ip", "address", "flush", "dev", "lo", "scope", "global");
    host.run("bash", "-c", "ip link delete wirebox 2>/dev/null || true");
    host.run("nft", "flush", "ruleset");
  });

  /** Puts everything in the way that there can be. */
  function obstruct(): void {
    virsh({
      "'version --daemon'": "echo 'Running against daemon: 7.6.0'",
      "'net-list --all --name'": "printf 'default\\nwirebox\\n'",
      "'net-dumpxml default'": `echo "<ip address='192.168.122.1' netmask='255.255.255.0'>"`,
      "'dominfo wirebox-kubenode1'": "echo Id: 1",
      "'pool-info wirebox'": "echo Name: wirebox",
    });
    host.run("ip", "address", "flush", "dev", "lo", "scope", "global");
    host.run("ip", "link", "add", "wirebox", "type", "bridge");
    host.run("ip", "link", "set", "wirebox", "up");
    host.run("ip", "address", "add", "192.168.96.1/19", "dev", "wirebox");
    host.run("nft", "add", "table", "inet", "wirebox");
    mkdirSync(join(root, "pool"));
    writeFileSync(join(root, "pool", "somebodys.qcow2"), "");
  }

  it("passes on a host that is ready", async () => {
    const ended = await run("preflight/preflight.sh", "apply", parameters());
    expect(ended).toMatchObject(succeeded);
    expect(ended.stdout).toMatch(/^the host \S+ is ready$/m);
  });

  it("finds that libvirt's QEMU may not enter the folder of the disks, until it may", async () => {
    // The user that a host's configuration names, whatever this machine has.
    const setting = [
      "mkdir -p /etc/libvirt",
      "mount -t tmpfs tmpfs /etc/libvirt",
      `echo 'user = "nobody"' >/etc/libvirt/qemu.conf`,
    ];
    const closed = join(root, "closed");
    mkdirSync(join(closed, "disks"), { recursive: true });
    const wanting = { ...parameters(), POOL_PATH: join(closed, "disks", "pool") };
    chmodSync(closed, 0o700);
    const refused = await run("preflight/preflight.sh", "apply", wanting, { setting });
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain(
      `finding 1: nobody, who libvirt runs QEMU as, may not enter ${join(closed, "disks")} (host.poolPath)`,
    );
    chmodSync(closed, 0o711);
    expect(await run("preflight/preflight.sh", "apply", wanting, { setting })).toMatchObject(succeeded);
  });

  it("prints everything that is wrong, with what to do, and fails", async () => {
    obstruct();
    const ended = await run("preflight/preflight.sh", "apply", {
      ...parameters(),
      MEMORY_MIB: "999999999",
      IMAGE_BYTES: "9000000000000000",
    });
    const findings = ended.stdout.split("\n").filter((line) => line.startsWith("finding "));
    expect(findings.map((line) => line.replace(/^finding \d+: /, ""))).toEqual([
      "libvirt 7.6.0 is too old: 8.0.0 or newer is needed",
      "libvirt has no filter clean-traffic: install libvirt-daemon-config-nwfilter and restart libvirtd",
      expect.stringMatching(
        /^the host cannot run KVM guests: enable VT-x .* or set host.virtualization to qemu/,
      ),
      expect.stringMatching(/^the machines need 999999999 MiB of memory together, the host has \d+ MiB$/),
      expect.stringMatching(/ GB free, too little to install 2 machines$/),
      expect.stringMatching(
        /^the host has no address 203.0.113.1 \(firewall.publicAddress\); it has 192.168.96.1.* firewall.localAddress$/,
      ),
      "192.168.122.0/24 overlaps with libvirt network default (192.168.122.1/255.255.255.0): choose another network.cidr, or remove that one with virsh net-destroy default and virsh net-undefine default",
      expect.stringMatching(/^there is a libvirt network wirebox already .* virsh net-undefine wirebox$/),
      "192.168.122.0/24 overlaps with 192.168.96.0/19, which the host reaches by wirebox: choose another network.cidr",
      "there is an interface wirebox already: choose another network.name",
      "there is a libvirt domain wirebox-kubenode1 already that this stack did not make",
      "there is a libvirt storage pool wirebox already that this stack did not make",
      `the directory ${join(root, "pool")} is not empty (host.poolPath)`,
      "there is an nft table inet wirebox already: choose another network.name",
    ]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/is not ready \(14 findings above\); nothing was changed\n$/);
  });

  /** The findings of a first run on a host that has a table of somebody else's. */
  async function findingsWith(rules: string): Promise<string[]> {
    host.run("bash", "-c", `nft -f - <<'END'\n${rules}\nEND`);
    const { stdout } = await run("preflight/preflight.sh", "apply", parameters());
    host.run("nft", "flush", "ruleset");
    return stdout.split("\n").filter((line) => line.startsWith("finding "));
  }

  it.each([
    [
      "ufw",
      "ip filter",
      "chain INPUT { type filter hook input priority filter; policy drop; jump ufw-user-input; }\nchain ufw-user-input { ACCEPTED }",
      /table ip filter refuses what the machines ask .*: ufw allow in on wirebox; ufw route allow in on wirebox; ufw route/,
    ],
    [
      "firewalld",
      "inet firewalld",
      "chain filter_INPUT { type filter hook input priority filter + 10; policy accept; ACCEPTED reject; }",
      /table inet firewalld refuses .*: firewall-cmd --permanent --zone=trusted --add-interface=wirebox; firewall-cmd --reload/,
    ],
    [
      "Docker",
      "ip filter",
      "chain DOCKER-USER { ACCEPTED }\nchain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }",
      /table ip filter drops what is forwarded .*: iptables -I DOCKER-USER -i wirebox -j ACCEPT; iptables -I DOCKER-USER -o/,
    ],
    [
      "a table of the operator's own",
      "inet site",
      "chain in { type filter hook input priority filter; policy drop; ACCEPTED }",
      /table inet site refuses .*: nft 'insert rule inet site in iifname "wirebox" accept'$/,
    ],
  ])(
    "finds that %s is in the way, until it lets the machines through",
    async (_name, table, chains, message) => {
      const chainsFirst = chains.split("\n").reverse().join("\n");
      const of = (accepted: string) =>
        `table ${table} {\n${(chains.startsWith("chain DOCKER") ? chains : chainsFirst).replaceAll("ACCEPTED", accepted)}\n}`;
      expect(await findingsWith(of(""))).toEqual([expect.stringMatching(message)]);
      expect(await findingsWith(of('iifname "wirebox" accept; oifname "wirebox" accept;'))).toEqual([]);
    },
  );

  it("takes the rules of a hardened stack beside it for what they are", async () => {
    const beside = (text: string) =>
      text.replace("add table inet beside", "").replace("delete table inet beside", "");
    const rules = renderRuleset({
      ...{ name: "beside", publicAddress: "203.0.113.9" },
      inside: { kind: "bridge", bridge: "beside", network: "192.168.9.0/24" },
      ...{ kubenodes: ["192.168.9.21"], privateDeployment: true, hardenInput: true },
    });
    expect(await findingsWith(beside(rules))).toEqual([]);
    expect(await findingsWith(beside(rules).replace(/meta mark 0x\w+ accept/, ""))).toEqual([
      expect.stringContaining("table inet beside refuses what the machines ask"),
    ]);
  });

  it("names the host's own address where a router translates the public one", async () => {
    const translated = { ...parameters(), PUBLIC_ADDRESS: "198.51.100.77" };
    expect(await run("preflight/preflight.sh", "apply", translated)).toMatchObject(succeeded);
    const missing = await run("preflight/preflight.sh", "apply", {
      ...translated,
      LOCAL_ADDRESS: "198.51.100.77",
    });
    expect(missing.stdout).toContain("(1:1 NAT), name the host's as firewall.localAddress");
  });

  it("finds who listens on ports that go to the machines, unless the host keeps them", async () => {
    const program = [
      "import socket, sys",
      "tcp = socket.create_server(('203.0.113.1', 443))",
      "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
      "udp.bind(('0.0.0.0', 51820))",
      "local = socket.create_server(('127.0.0.1', 80))",
      "mapped = socket.socket(socket.AF_INET6)",
      "mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)",
      "mapped.bind(('::ffff:203.0.113.1', 3478))",
      "mapped.listen()",
      "print('listening', flush=True)",
      "sys.stdin.read()",
    ].join("\n");
    const listener = spawn("ip", ["netns", "exec", host.name, "python3", "-c", program]);
    try {
      await once(listener.stdout, "data");
      const taking = { ...parameters(), TAKEN_PORTS: `${parameters().TAKEN_PORTS}\ntcp 3478 3478` };
      const found = await run("preflight/preflight.sh", "apply", taking);
      const taken = [
        ...found.stdout.matchAll(/^finding \d: (.*) of 203\.0\.113\.1 is taken by python3 and/gm),
      ];
      expect(taken.map(([, port]) => port).sort()).toEqual([
        "tcp port 3478",
        "tcp port 443",
        "udp port 51820",
      ]);
      expect(found.stdout).toMatch(/firewall\.hostPorts \(udp\/51820\)$/m);
      const kept = await run("preflight/preflight.sh", "apply", {
        ...parameters(),
        HOST_PORTS: "tcp/443 udp/51820",
      });
      expect(kept.stdout).not.toMatch(/51820|443/);
      expect(kept).toMatchObject(succeeded);
    } finally {
      listener.kill();
    }
  });

  it.each([
    ["a program that only asks", "avahi-daemon", "cat"],
    [
      "one that is gone a moment later",
      "resolver",
      "touch SEEN.$$; [ $(ls -d SEEN.* | wc -l) -gt 1 ] || cat",
    ],
  ])("takes %s for no listener", async (_, program, shown) => {
    standIn(
      "ss",
      `${shown.replaceAll("SEEN", join(root, "seen"))} <<<'udp UNCONN 0 0 0.0.0.0:40001 0.0.0.0:* users:(("${program}",pid=9,fd=3))'`,
    );
    expect(await run("preflight/preflight.sh", "apply", parameters())).toMatchObject(succeeded);
  });

  it("says so where other firewalls cannot be tried, and goes on", async () => {
    standIn("unshare", "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1");
    host.run("nft", "add", "table", "inet", "site");
    const ended = await run("preflight/preflight.sh", "apply", parameters());
    expect(ended).toMatchObject(succeeded);
    expect(ended.stdout).toMatch(
      /^note: what other firewalls let through could not be tried: .*Operation not permitted$/m,
    );
  });

  it("finds an answer missing where libvirt does not run", async () => {
    virsh({});
    const { code, stdout } = await run("preflight/preflight.sh", "apply", parameters());
    expect(code).toBe(1);
    expect(stdout).toContain("libvirt does not answer at qemu:///system: error: failed to get it");
  });

  it("wants no more space for machines that have their disks", async () => {
    const huge = { ...parameters(), IMAGE_BYTES: "9000000000000000" };
    const pool = join(root, "pool");
    // Disks beside the pool are somebody else's.
    for (const name of ["a", "b", "c"]) writeFileSync(join(root, `${name}.qcow2`), "");
    const before = await run("preflight/preflight.sh", "update", huge);
    expect(before.stdout).toMatch(/GB free, too little to install 2 machines$/m);
    mkdirSync(pool);
    for (const name of ["base", "assethost"]) writeFileSync(join(pool, `${name}.qcow2`), "");
    const lacking = await run("preflight/preflight.sh", "update", huge);
    expect(lacking.stdout).toMatch(/GB free, too little to install 2 machines$/m);
    writeFileSync(join(pool, "kubenode1.qcow2"), "");
    expect(await run("preflight/preflight.sh", "update", huge)).toMatchObject(succeeded);
    rmSync(pool, { recursive: true });
    for (const name of ["a", "b", "c"]) rmSync(join(root, `${name}.qcow2`));
  });

  it("looks for the artifact on the first run, and for what it takes on every run", async () => {
    const artifact = join(root, "artifact");
    const wanting = { ...parameters(), ARTIFACT_LOCATIONS: `${artifact}\nhttps://artifacts.example.com/lab` };
    // A host that does not have them, whatever this one has.
    const hidden = [
      "mount -t tmpfs tmpfs /mnt",
      ...["bin", "sbin"].flatMap((folder) => [
        `mkdir /mnt/${folder} /mnt/${folder}.work`,
        `mount -t overlay -o lowerdir=/usr/${folder},upperdir=/mnt/${folder},workdir=/mnt/${folder}.work overlay /usr/${folder}`,
      ]),
      "rm -f /usr/bin/skopeo /usr/sbin/chronyd",
    ];
    const found = async (verb: "apply" | "update", setting: readonly string[] = []) => {
      const { stdout } = await run("preflight/preflight.sh", verb, wanting, { setting });
      return [...stdout.matchAll(/^finding \d+: (.*)$/gm)].map(([, finding]) => finding);
    };
    const missing = [
      "the command skopeo is missing, which fills the image registry: install skopeo",
      "the command chronyd is missing, which gives the machines the time: install chrony",
    ];
    const nowhere = `the host has no directory ${artifact} (artifact.sources): copy the artifact there`;
    expect(await found("apply", hidden)).toEqual([...missing, nowhere]);
    for (const name of ["skopeo", "chronyd"])
      writeFileSync(join(root, "programs", name), "#!/bin/sh\n", { mode: 0o755 });
    expect(await found("apply")).toEqual([nowhere]);
    mkdirSync(artifact);
    expect(await found("apply")).toEqual([]);
    // It is unpacked by now.
    rmSync(artifact, { recursive: true });
    expect(await found("update")).toEqual([]);
  });

  it("notes what is allowed but worth saying", async () => {
    const { code, stdout } = await run("preflight/preflight.sh", "apply", {
      ...parameters(),
      VCPUS: "9999",
      DISK_BYTES: "9000000000000000000",
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^note: the machines have 9999 vCPUs together, the host has \d+ threads/m);
    expect(stdout).toMatch(/^note: .* may grow to 9000000000 GB$/m);
  });

  it("takes what carries the stack's names for the stack's own in later runs", async () => {
    obstruct();
    virsh({ ...healthy, "'net-list --all --name'": "echo wirebox", "'pool-info wirebox'": "true" });
    host.run("ip", "address", "add", "203.0.113.1/32", "dev", "lo");
    expect(await run("preflight/preflight.sh", "update", parameters())).toMatchObject(succeeded);
    expect((await run("preflight/preflight.sh", "apply", parameters())).code).toBe(1);
  });

  it("still looks at the host itself in later runs", async () => {
    const ended = await run("preflight/preflight.sh", "update", { ...parameters(), MEMORY_MIB: "999999999" });
    expect(ended.code).toBe(1);
  });

  it.each([
    ["192.168.122.128", "255.255.255.128", true],
    ["192.168.0.1", "255.255.0.0", true],
    ["192.168.121.1", "255.255.255.0", false],
    ["192.168.123.0", "255.255.255.255", false],
  ])("knows whether %s/%s overlaps with 192.168.122.0/24: %s", async (address, netmask, overlaps) => {
    virsh({ ...healthy, "'net-dumpxml other'": `echo "<ip address='${address}' netmask='${netmask}'>"` });
    const { code, stdout } = await run("preflight/preflight.sh", "apply", parameters());
    expect(stdout.includes("overlaps with libvirt network other")).toBe(overlaps);
    expect(code).toBe(overlaps ? 1 : 0);
  });

  it("changes nothing, whatever it finds", async () => {
    const reading = /^(version|domcapabilities|net-list|net-dumpxml|nwfilter-dumpxml|dominfo|pool-info)( |$)/;
    for (const prepare of [() => {}, obstruct]) {
      prepare();
      const before = network();
      await run("preflight/preflight.sh", "apply", parameters());
      expect(network()).toEqual(before);
      const called = calls();
      expect(called.length).toBeGreaterThan(5);
      expect(called.filter((call) => !reading.test(call))).toEqual([]);
    }
    expect(readdirSync(join(root, "pool"))).toEqual(["somebodys.qcow2"]);
  });
});

describe("fetch.sh", () => {
  const content = randomBytes(300_000);
  const sha256 = createHash("sha256").update(content).digest("hex");
  let server: Server;
  let requests: (string | undefined)[];
  /** How many bytes the server sends before it breaks the connection. */
  let breaksAfter: number | undefined;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { range } = request.headers;
      requests.push(range);
      const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
      if (start >= content.length) {
        response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
        return;
      }
      response.writeHead(range ? 206 : 200, {
        "content-length": content.length - start,
        ...(range && { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` }),
      });
      if (breaksAfter === undefined) response.end(content.subarray(start));
      else response.write(content.subarray(start, start + breaksAfter), () => response.destroy());
    });
    await listen(server);
  });
  afterAll(() => stop(server));

  beforeEach(() => {
    requests = [];
    breaksAfter = undefined;
    mkdirSync(join(root, "pool"));
    virsh({ "'pool-refresh wirebox'": "true", "'vol-info base-0123.qcow2 --pool wirebox'": "true" });
  });

  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/image.qcow2`;
  const fetch = (source: string, checksum: string, verb: "apply" | "remove" = "apply") =>
    run(
      "image/fetch.sh",
      verb,
      {
        SOURCE: source,
        SHA256: checksum,
        POOL: "wirebox",
        POOL_PATH: join(root, "pool"),
        VOLUME: "base-0123.qcow2",
      },
      { ownNetwork: true },
    );
  const pool = () => readdirSync(join(root, "pool"));
  const volume = () => readFileSync(join(root, "pool", "base-0123.qcow2"));
  const part = () => join(root, "pool", "base-0123.qcow2.part");

  it("downloads a URL once, and tells libvirt of it", async () => {
    expect(await fetch(url(), sha256)).toMatchObject(succeeded);
    expect(volume().equals(content)).toBe(true);
    expect(pool()).toEqual(["base-0123.qcow2"]);
    expect(calls()).toContain("pool-refresh wirebox");

    const { mtimeMs } = statSync(join(root, "pool", "base-0123.qcow2"));
    expect(await fetch(url(), sha256)).toMatchObject(succeeded);
    expect(requests).toHaveLength(1);
    expect(statSync(join(root, "pool", "base-0123.qcow2")).mtimeMs).toBe(mtimeMs);
  });

  it("goes on with a download that broke", async () => {
    breaksAfter = 100_000;
    const broken = await fetch(url(), sha256);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain(`what has arrived is kept in ${part()} and the next run goes on`);
    expect(pool()).toEqual(["base-0123.qcow2.part"]);
    const arrived = statSync(part()).size;
    expect(arrived).toBeGreaterThan(0);

    breaksAfter = undefined;
    requests = [];
    expect(await fetch(url(), sha256)).toMatchObject(succeeded);
    expect(requests).toEqual([`bytes=${arrived}-`]);
    expect(volume().equals(content)).toBe(true);
  });

  it("accepts a download that was complete but not yet named", async () => {
    writeFileSync(part(), content);
    expect(await fetch(url(), sha256)).toMatchObject(succeeded);
    expect(volume().equals(content)).toBe(true);
  });

  it("copies a path of the host", async () => {
    const source = join(root, "image.qcow2");
    writeFileSync(source, content);
    expect(await fetch(source, sha256)).toMatchObject(succeeded);
    expect(volume().equals(content)).toBe(true);
    expect(readFileSync(source).equals(content)).toBe(true);
    expect(await fetch(source, "")).toMatchObject(succeeded);
  });

  it("refuses a file with another checksum and throws it away", async () => {
    const source = join(root, "image.qcow2");
    writeFileSync(source, "tampered");
    for (const each of [source, url()]) {
      const ended = await fetch(each, "0".repeat(64));
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(`the configuration says ${"0".repeat(64)}; the file was thrown away`);
      expect(pool()).toEqual([]);
    }
    expect(existsSync(source)).toBe(true);
  });

  it("says so when there is no such path", async () => {
    const ended = await fetch("/nowhere/image.qcow2", "");
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("/nowhere/image.qcow2 does not exist"),
    });
    expect(pool()).toEqual([]);
  });

  it("fails when libvirt does not see the file", async () => {
    virsh({ "'pool-refresh wirebox'": "true" });
    expect((await fetch(url(), sha256)).stderr).toContain("libvirt does not see");
  });

  it("takes the file away with what has arrived of it and former ones, with or without a pool", async () => {
    await fetch(url(), sha256);
    writeFileSync(part(), "partly");
    writeFileSync(join(root, "pool", "base-4567.qcow2"), "former");
    writeFileSync(join(root, "pool", "kubenode1.qcow2"), "a machine's disk");
    virsh({});
    expect(await fetch(url(), sha256, "remove")).toMatchObject(succeeded);
    expect(pool()).toEqual(["kubenode1.qcow2"]);
    expect(await fetch(url(), sha256, "remove")).toMatchObject(succeeded);
  });

  it("leaves an image that a disk still stands on", async () => {
    const path = (name: string) => join(root, "pool", name);
    for (const name of ["base-0123.qcow2", "base-4567.qcow2", "datanode1.qcow2"])
      writeFileSync(path(name), name);
    const volume = (name: string, base = "") =>
      `<volume><name>${name}</name>\n<target>\n<path>${path(name)}</path>\n</target>\n${base && `<backingStore>\n<path>${path(base)}</path>\n</backingStore>\n`}</volume>`;
    virsh({
      "'pool-info wirebox' | 'pool-refresh wirebox'": "true",
      "'vol-list wirebox'": `printf ' Name Path\n-----\n base-0123.qcow2 x\n base-4567.qcow2 x\n datanode1.qcow2 x\n\n'`,
      "'vol-dumpxml datanode1.qcow2 --pool wirebox'": `echo "${volume("datanode1.qcow2", "base-4567.qcow2")}"`,
      "vol-dumpxml*": `echo "${volume("base-0123.qcow2")}"`,
    });
    expect(await fetch(url(), sha256, "remove")).toMatchObject(succeeded);
    expect(pool().sort()).toEqual(["base-4567.qcow2", "datanode1.qcow2"]);
  });
});

describe("boot.sh", () => {
  const address = "192.0.2.10";
  let sshd: ChildProcess;

  // A stand-in for a machine's SSH server, which speaks first.
  beforeAll(async () => {
    host.run("ip", "link", "add", "machines", "type", "bridge");
    host.run("ip", "link", "set", "machines", "up");
    host.run("ip", "address", "add", `${address}/24`, "dev", "machines");
    const program = `require("node:net").createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-test\\r\\n"))
      .listen(22, "${address}", () => console.log("listening"))`;
    sshd = spawn("ip", ["netns", "exec", host.name, process.execPath, "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => sshd.stdout?.once("data", resolve));
  });
  afterAll(() => {
    sshd.kill();
    host.run("ip", "link", "delete", "machines");
  });

  const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;
  beforeEach(() => standIn("ssh-keyscan", `echo "$\{@: -1} ${hostKey}"`));

  const consoleLog = () => join(root, "console.log");
  const boot = (parameters: Readonly<Record<string, string>> = {}) =>
    run("machine/boot.sh", "apply", {
      DOMAIN: "wirebox-kubenode1",
      DOMAIN_ID: "6e3f",
      ADDRESS: address,
      CONSOLE: consoleLog(),
      FINISHED: "wiab: kubenode1 is up",
      SECONDS_TO_BOOT: "2",
      HOST_KEY: `${hostKey} kubenode1`,
      ...parameters,
    });
  const lines = (count: number) =>
    Array.from({ length: count }, (_, index) => `line ${index + 1}\r\n`).join("");
  const state = (text: string) => virsh({ "'domstate wirebox-kubenode1'": `echo ${text}` });

  it("is content when SSH answers and cloud-init has finished", async () => {
    state("running");
    writeFileSync(consoleLog(), `${lines(3)}[\u001b[32m OK \u001b[0m] wiab: kubenode1 is up\r\n`);
    const ended = await boot();
    expect(ended).toMatchObject({
      ...succeeded,
      stdout: `wirebox-kubenode1 answers at ${address}\n${hostKey}\n`,
    });
  });

  it("says last by which host key the machine is known, and that it is not the stack's", async () => {
    state("running");
    writeFileSync(consoleLog(), "wiab: kubenode1 is up\r\n");
    const { stdout, code } = await boot({ HOST_KEY: `ssh-ed25519 ${"B".repeat(68)}` });
    expect(code).toBe(0);
    expect(stdout).toContain("has a host key that is not the stack's");
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(hostKey);
  });

  it("fails where the machine shows no key", async () => {
    state("running");
    writeFileSync(consoleLog(), "wiab: kubenode1 is up\r\n");
    standIn("ssh-keyscan", "true");
    expect(await boot()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("shows no Ed25519 host key"),
    });
  });

  it("waits for cloud-init to finish", async () => {
    // It finishes while it is waited for: at the second question.
    virsh({
      "'domstate wirebox-kubenode1'": `echo running; echo 'wiab: kubenode1 is up' >>${consoleLog()}`,
    });
    expect(await boot({ SECONDS_TO_BOOT: "60" })).toMatchObject(succeeded);
    expect(calls().length).toBeGreaterThan(0);
  });

  it("fails with the end of the console when the machine stops", async () => {
    state("'shut off'");
    writeFileSync(consoleLog(), `${lines(60)}\u001b[1;31mKernel panic\u001b[0m - not syncing\r\n`);
    const { code, stdout, stderr } = await boot({ SECONDS_TO_BOOT: "600" });
    expect(code).toBe(1);
    expect(stderr).toBe("error: wirebox-kubenode1 has stopped\n");
    expect(stdout.split("\n").slice(1, -1)).toEqual([
      ...Array.from({ length: 39 }, (_, index) => `  | line ${index + 22}`),
      "  | Kernel panic - not syncing",
    ]);
  });

  it("fails with the state of things when the time is up", async () => {
    state("running");
    writeFileSync(consoleLog(), "Starting kernel\r\n");
    const { code, stdout, stderr } = await boot();
    expect(code).toBe(1);
    expect(stderr).toBe(
      "error: wirebox-kubenode1 did not come up within 2 s (domain is running, SSH answers, cloud-init has not finished)\n",
    );
    expect(stdout).toContain("  | Starting kernel\n");
  });

  it("does not ask for the machine beyond the host's own networks", async () => {
    state("running");
    writeFileSync(consoleLog(), "wiab: kubenode1 is up\n");
    host.run("ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.99");
    const { code, stderr } = await boot({ ADDRESS: "198.51.100.7" });
    expect(code).toBe(1);
    expect(stderr).toContain("SSH does not answer, cloud-init has finished");
  });
});

describe("traffic.sh", () => {
  const mac = "52:54:00:aa:bb:cc";
  const address = "192.168.122.21";

  it("frees the port of a machine that does not answer any more once it is tied", async () => {
    host.run("ip", "address", "add", `${address}/32`, "dev", "lo");
    await host.listen([22], []);
    // It has another address than the one that it is to be tied to: with the filter nothing of it arrives.
    const filter = join(root, "filter");
    virsh({
      "'domstate wirebox-kubenode1'": "echo running",
      "'dumpxml wirebox-kubenode1'*": `printf "<interface type='network'>\\n<mac address='${mac}'/>\\n$(cat ${filter} 2>/dev/null)\\n</interface>\\n"`,
      "'domiflist wirebox-kubenode1'": `echo 'vnet7 network wirebox virtio ${mac}'`,
      "'update-device wirebox-kubenode1 '*": `case "$*" in *--live) if grep -o '<filterref.*filterref>' "$3" >${filter}; then ip address del ${address}/32 dev lo; fi ;; esac`,
    });
    standIn("ebtables", "echo '-i vnet7 -j libvirt-I-vnet7'");
    const ended = await run("machine/traffic.sh", "apply", {
      ...{ DOMAIN: "wirebox-kubenode1", DOMAIN_ID: "1", MAC: mac, ADDRESS: address },
    });
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`did not answer at ${address} any more with its port tied to ${mac}`),
    });
    const changes = calls().filter((call) => call.startsWith("update-device"));
    expect(changes.map((call) => call.split(" ").at(-1))).toEqual([
      ...["--config", "--live"],
      ...["--live", "--config"],
    ]);
    expect(readFileSync(filter, "utf8")).toBe("");
  });
});

describe("disk.sh", () => {
  const disk = (bytes: number) =>
    run("machine/disk.sh", "apply", {
      POOL: "wirebox",
      POOL_PATH: "/pool",
      VOLUME: "kubenode1.qcow2",
      DOMAIN: "wirebox-kubenode1",
      BYTES: `${bytes}`,
    });
  const answers = (state: string) => ({
    "'vol-info kubenode1.qcow2 --pool wirebox --bytes'":
      "printf 'Name:  kubenode1.qcow2\\nCapacity:  50000000000 bytes\\nAllocation:  7 bytes\\n'",
    "'domstate wirebox-kubenode1'": state,
    "'pool-refresh wirebox' | vol-resize* | blockresize*": "true",
  });
  const changes = () => calls().filter((call) => /resize/.test(call));

  it("refuses to shrink a disk", async () => {
    virsh(answers("echo running"));
    const ended = await disk(20e9);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/has 50 GB and is configured to 20 GB: shrinking it would destroy data/);
    expect(changes()).toEqual([]);
  });

  it("leaves a disk of the right size alone", async () => {
    virsh(answers("echo running"));
    expect(await disk(50e9)).toMatchObject(succeeded);
    expect(changes()).toEqual([]);
  });

  it("grows the disk of a machine that runs, under it", async () => {
    virsh(answers("echo running"));
    expect(await disk(80e9)).toMatchObject(succeeded);
    expect(changes()).toEqual(["blockresize wirebox-kubenode1 /pool/kubenode1.qcow2 80000000000B"]);
  });

  it("grows the disk of a machine that is off or not there yet", async () => {
    for (const state of ["echo 'shut off'", "exit 1"]) {
      virsh(answers(state));
      expect(await disk(80e9)).toMatchObject(succeeded);
      expect(changes()).toEqual(["vol-resize kubenode1.qcow2 80000000000 --pool wirebox"]);
    }
  });
});

describe("reserve.sh", () => {
  const mac = "52:54:00:aa:bb:cc";
  const network = () => join(root, "network.xml");
  /** A network that keeps its reservations in a file, and finds them by MAC address as libvirt does. */
  const reservations = () => {
    writeFileSync(network(), "");
    const update = "'net-update wirebox %s ip-dhcp-host '*' --live --config'";
    virsh({
      "'net-dumpxml wirebox'": `cat ${network()}; seq 20000`,
      [update.replace("%s", "add")]: `echo "$5" >>${network()}`,
      [update.replace("%s", "delete")]:
        `grep -q ${mac} ${network()} || { echo "error: no such host" >&2; exit 1; }; sed -i /${mac}/d ${network()}`,
    });
  };
  const reserve = (address: string, verb: "apply" | "remove" = "apply") =>
    run("machine/reserve.sh", verb, { NETWORK: "wirebox", NAME: "kubenode1", MAC: mac, ADDRESS: address });
  const entry = (address: string) => `<host mac='${mac}' name='kubenode1' ip='${address}'/>\n`;
  const updates = () => calls().filter((call) => call.startsWith("net-update"));

  beforeEach(reservations);

  it("reserves the address once", async () => {
    expect(await reserve("192.168.122.21")).toMatchObject(succeeded);
    expect(readFileSync(network(), "utf8")).toBe(entry("192.168.122.21"));
    expect(updates().length).toBeGreaterThan(0);
    expect(await reserve("192.168.122.21")).toMatchObject(succeeded);
    expect(updates()).toEqual([]);
  });

  it("replaces a machine's former address and leaves the others'", async () => {
    const other = "<host mac='52:54:00:00:00:01' name='kubenode2' ip='192.168.122.22'/>\n";
    writeFileSync(network(), other);
    await reserve("192.168.122.21");
    expect(await reserve("192.168.122.41")).toMatchObject(succeeded);
    expect(readFileSync(network(), "utf8")).toBe(other + entry("192.168.122.41"));
  });

  it("gives the address back, once, also when the network is gone", async () => {
    await reserve("192.168.122.21");
    expect(await reserve("192.168.122.21", "remove")).toMatchObject(succeeded);
    expect(readFileSync(network(), "utf8")).toBe("");
    calls();
    expect(await reserve("192.168.122.21", "remove")).toMatchObject(succeeded);
    virsh({});
    expect(await reserve("192.168.122.21", "remove")).toMatchObject(succeeded);
    expect(updates()).toEqual([]);
  });

  it("fails when the network does not take it", async () => {
    virsh({ "'net-dumpxml wirebox'": "true", "net-update*": "true" });
    expect((await reserve("192.168.122.21")).stderr).toContain("did not take the reservation");
  });
});

describe("login.sh", () => {
  const keys = "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two";
  const home = () => join(root, "home");
  const authorized = () => join(home(), ".ssh", "authorized_keys");
  const login = (parameters: Readonly<Record<string, string>> = {}) =>
    run(
      "machine/login.sh",
      "apply",
      {
        NAME: "kubenode1",
        ADDRESS: "192.0.2.21",
        LOGIN: "demo",
        BOOTED: "",
        AUTHORIZED_KEYS: keys,
        ...parameters,
      },
      {
        setting: [
          `mount --bind ${join(root, "passwd")} /etc/passwd`,
          "hostname kubenode1.wire.example.com",
          `mount -t tmpfs tmpfs /run && cp -a ${join(root, "run")}/. /run`,
        ],
      },
    );

  /** What cloud-init leaves behind when it has finished. */
  const verdict = (errors: string[]) =>
    writeFileSync(
      join(root, "run/cloud-init/result.json"),
      JSON.stringify({ v1: { datasource: "DataSourceNoCloud", errors } }, undefined, 1),
    );

  beforeAll(() => void host.run("ip", "address", "add", "192.0.2.21/32", "dev", "lo"));
  beforeEach(() => {
    mkdirSync(home());
    writeFileSync(join(root, "passwd"), `root:x:0:0::/root:/bin/bash\ndemo:x:4711:0::${home()}:/bin/bash\n`);
    standIn("sshd", "echo 'passwordauthentication no'");
    mkdirSync(join(root, "run/cloud-init"), { recursive: true });
    writeFileSync(join(root, "run/cloud-init/enabled"), "");
    verdict([]);
  });

  it("keeps the authorized keys, readable by their owner alone", async () => {
    expect(await login()).toMatchObject(succeeded);
    expect(readFileSync(authorized(), "utf8")).toBe(`${keys}\n`);
    const { mode, uid, mtimeMs } = statSync(authorized());
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: 4711 });
    expect(statSync(dirname(authorized())).mode & 0o777).toBe(0o700);

    expect(await login()).toMatchObject(succeeded);
    expect(statSync(authorized()).mtimeMs).toBe(mtimeMs);

    expect(await login({ AUTHORIZED_KEYS: "ssh-ed25519 CCCC three" })).toMatchObject(succeeded);
    expect(readFileSync(authorized(), "utf8")).toBe("ssh-ed25519 CCCC three\n");
  });

  it("leaves the keys of a machine alone that is used as it is", async () => {
    standIn("sshd", "echo 'passwordauthentication yes'");
    expect(await login({ AUTHORIZED_KEYS: "" })).toMatchObject(succeeded);
    expect(readdirSync(home())).toEqual([]);
  });

  it.each([
    ["another name", { NAME: "kubenode2" }, "calls itself kubenode1, not kubenode2"],
    ["another address", { ADDRESS: "192.0.2.22" }, "kubenode1 does not have the address 192.0.2.22"],
    ["no such user", { LOGIN: "nobody-here" }, "kubenode1 has no user nobody-here"],
  ])("refuses a machine that has %s", async (_, parameters, message) => {
    const ended = await login(parameters);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(message);
  });

  it("refuses a machine that lets users in with a password, however much its server has to say", async () => {
    standIn("sshd", "echo 'passwordauthentication yes'; seq 100000");
    const ended = await login();
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("set PasswordAuthentication no"),
    });
  });

  it("refuses a machine whose cloud-init has failed, with its verdict", async () => {
    verdict(["('users_groups', KeyError('name'))"]);
    const ended = await login();
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("cloud-init on kubenode1 has failed");
    expect(ended.stderr).toContain("users_groups");
  });

  it("takes a machine without cloud-init as it is", async () => {
    rmSync(join(root, "run/cloud-init"), { recursive: true });
    expect(await login()).toMatchObject(succeeded);
  });
});
