import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkHost, findingsOn } from "../../checks/host";
import { Remote } from "../../checks/remote";
import { Report } from "../../checks/report";
import { firewallScript, scriptParameters } from "../../components/host/firewall/firewall";
import { admittedMark } from "../../components/host/firewall/host-services";
import type { RulesetArgs } from "../../components/host/firewall/ruleset";
import { preflightScript } from "../../components/host/preflight/preflight";
import { renderInput } from "../../components/machine/script";
import { builtKey } from "../../toolchain/build";
import { cable, type Ended, Namespace } from "../acceptance/verify/namespace";
import { hostFacts } from "../fixtures/checks";
import { ended } from "../fixtures/machine";

// Firewalls of somebody else's beside ours, with packets: what they swallow, that `up` and `verify` find it on a host that was
// in order when the stack was made, and that the commands of the finding put it right.

const stack: RulesetArgs = {
  ...{ name: "wirebox", publicAddress: "203.0.113.7" },
  inside: { kind: "bridge", bridge: "wirebox", network: "192.168.122.0/24" },
  ...{ kubenodes: ["192.168.122.21"], privateDeployment: false, hardenInput: true },
};

const root = mkdtempSync(join(tmpdir(), "wiab-beside-"));
let host: Namespace;
let machine: Namespace;
let internet: Namespace;

beforeAll(async () => {
  // QEMU may enter it.
  chmodSync(root, 0o755);
  [host, machine, internet] = ["host", "kubenode1", "internet"].map((name) => new Namespace(name)) as [
    Namespace,
    Namespace,
    Namespace,
  ];
  cable(host, "uplink", internet, "eth0");
  host.run("ip", "address", "add", "198.51.100.1/24", "dev", "uplink");
  internet.run("ip", "address", "add", "198.51.100.2/24", "dev", "eth0");
  internet.run("ip", "route", "add", "default", "via", "198.51.100.1");
  host.run("ip", "link", "add", "wirebox", "type", "bridge");
  host.run("ip", "address", "add", "192.168.122.1/24", "dev", "wirebox");
  host.run("ip", "link", "set", "wirebox", "up");
  cable(host, "port", machine, "eth0");
  host.run("ip", "link", "set", "port", "master", "wirebox");
  machine.run("ip", "address", "add", "192.168.122.21/24", "dev", "eth0");
  machine.run("ip", "route", "add", "default", "via", "192.168.122.1");
  await Promise.all([host.listen([22], [53, 67]), machine.listen([31773], []), internet.listen([443], [])]);
  for (const STEP of ["load", "confirm"]) {
    const input = renderInput(firewallScript, {
      ...scriptParameters({ ruleset: stack, publicInterface: "wirebox-public" }, root),
      STEP,
    });
    const isolated = [
      "unshare",
      "--mount",
      "bash",
      "-c",
      "mount -t tmpfs tmpfs /run && exec bash -s -- apply",
    ];
    expect(await host.pipe(input, ...isolated)).toMatchObject({ code: 0, stderr: "" });
  }
  mkdirSync(join(root, "programs"));
  const virsh = join(root, "programs", "virsh");
  writeFileSync(virsh, "#!/bin/sh\necho 'Running against daemon: 9.0.0'\n");
  chmodSync(virsh, 0o755);
});

afterAll(() => {
  for (const namespace of [host, machine, internet]) namespace.remove();
  rmSync(root, { recursive: true });
});

const everything = ["names", "addresses", "clients", "outside"];

/**
 * What gets through: the machines' names and addresses from the host, clients to the machine, the machine to the outside.
 * @param expected - What is waited for, on a busy machine too.
 */
async function passing(expected: readonly string[]): Promise<string[]> {
  const tries = [
    ["names", machine, "udp", "192.168.122.1", 53],
    ["addresses", machine, "udp", "192.168.122.1", 67],
    ["clients", internet, "tcp", "203.0.113.7", 443],
    ["outside", machine, "tcp", "198.51.100.2", 443],
  ] as const;
  const outcomes = await Promise.all(
    tries.map(([what, from, protocol, address, port]) =>
      expected.includes(what) ? from.probe(protocol, address, port) : from.knock(protocol, address, port),
    ),
  );
  return tries.flatMap(([what], index) => ("none" in (outcomes[index] as object) ? [] : [what]));
}

/** The preflight of the first run, as a state has it. */
const preflight = () => {
  const input = renderInput(preflightScript, {
    ...{ NETWORK: "wirebox", CIDR: "192.168.122.0/24", POOL_PATH: root, VIRTUALIZATION: "qemu" },
    ...{ IMAGE_SOURCE: "https://images.example.com/guest.qcow2", MEMORY_MIB: "64", VCPUS: "1" },
    ...{ DISK_BYTES: "1000000", IMAGE_BYTES: "1000", MACHINES: "1", DOMAINS: "wirebox-kubenode1" },
    ...{ PUBLIC_ADDRESS: stack.publicAddress, LOCAL_ADDRESS: stack.publicAddress, HOST_PORTS: "" },
    ...{
      ADMITTED_MARK: admittedMark,
      MACHINE_SERVICES: "udp/53 tcp/53 udp/67 udp/123",
      NODE_PORTS: "80:31772 443:31773",
      TAKEN_PORTS: "tcp 443 443\nudp 32768 65535",
      PUBLIC_INTERFACE: "",
      ARTIFACT_LOCATIONS: "",
    },
  });
  return { stdin: gzipSync(input).toString("base64") };
};

/** A command line that runs another one on the host. */
const onHost = () => {
  const there = `mount -t tmpfs tmpfs /usr/local/sbin && cp ${root}/programs/* /usr/local/sbin && exec "$@"`;
  return ["ip", "netns", "exec", host.name, "unshare", "--mount", "sh", "-c", there, "sh"];
};

/** The preflight as `up` and `verify` run it again. */
function findings(): Promise<string[]> {
  const resources = [{ name: "host-preflight-host", type: "", inputs: preflight(), outputs: {} }];
  return findingsOn({ resources }, new Remote("host", [...onHost(), "sh", "-c"]));
}

/** `npm run pulumi -- up` on the host itself, with a stand-in for the engine: it has a state, and finds nothing to do. */
function up(outputs: object | undefined): Promise<Ended> {
  const bin = join(root, "cache", "pulumi", builtKey(), "bin");
  mkdirSync(bin, { recursive: true });
  const urn = "urn:pulumi:look::wiab-staging::";
  const resources = [
    { urn: `${urn}pulumi:pulumi:Stack::wiab-staging-look`, type: "pulumi:pulumi:Stack", outputs },
    {
      urn: `${urn}command:local:Command::host-preflight-host`,
      type: "command:local:Command",
      inputs: preflight(),
    },
  ];
  writeFileSync(join(root, "state.json"), JSON.stringify({ version: 3, deployment: { resources } }));
  const answers = {
    "stack export --show-secrets --stack look": `cat ${root}/state.json`,
    "up --yes --stack look": "echo 'Resources: 90 unchanged'",
  };
  const arms = Object.entries(answers).map(([command, answer]) => `"${command}") ${answer} ;;`);
  const program = join(bin, "pulumi");
  writeFileSync(program, `#!/bin/sh\ncase "$*" in ${arms.join(" ")} *) echo "$*" >&2; exit 2 ;; esac\n`);
  chmodSync(program, 0o755);
  const env = { HOME: root, WIAB_CACHE: join(root, "cache"), WIAB_STATE: join(root, "states") };
  const variables = Object.entries(env).map((pair) => pair.join("="));
  const command = [process.execPath, "--import", "tsx", "cli/pulumi.ts", "up", "--yes", "--stack", "look"];
  const [first = "", ...rest] = [...onHost(), "env", ...variables, ...command];
  return ended(spawn(first, rest));
}

/** A chain of nft's for one hook, of the table `inet site`. */
const site = (hook: "input" | "forward", policy: string, ...rules: readonly string[]): string =>
  [
    `nft -f - <<'END'\ntable inet site {\nchain ${hook} { type filter hook ${hook} priority filter; policy ${policy};`,
    ...rules,
    "}\n}\nEND",
  ].join("\n");

/**
 * Rules as each leaves them, the same as its commands make, what still passes beside them, and what the finding's commands
 * do where they are those of a program that is not run here.
 */
const others: readonly [string, readonly string[], RegExp, readonly string[], (readonly string[])?][] = [
  [
    "Docker, installed after the stack was made",
    ["iptables -N DOCKER-USER", "iptables -A FORWARD -j DOCKER-USER", "iptables -P FORWARD DROP"],
    /table ip filter drops what is forwarded/,
    ["names", "addresses"],
  ],
  [
    "a cloud image's, which ends with a rule that rejects",
    [
      "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      ...["-p icmp", "-i lo", "-p tcp --dport 22"].map((what) => `iptables -A INPUT ${what} -j ACCEPT`),
      ...["INPUT", "FORWARD"].map(
        (chain) => `iptables -A ${chain} -j REJECT --reject-with icmp-host-prohibited`,
      ),
    ],
    /table ip filter refuses what the machines ask .*\(udp\/53 tcp\/53 udp\/67 udp\/123\): iptables -I INPUT -i wirebox -j ACCEPT;/,
    [],
  ],
  [
    "rules that reject what is forwarded alone",
    [
      "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "iptables -A FORWARD -j REJECT",
    ],
    /table ip filter drops what is forwarded .*\(in:tcp\/443 in:udp\/65535 out:tcp\/443\): iptables -I FORWARD -i wirebox/,
    ["names", "addresses"],
  ],
  [
    "nft's rules that end with a drop",
    [
      site("input", "accept", "ct state established,related accept", "tcp dport 22 accept", "drop"),
      site("forward", "accept", "drop"),
    ],
    /table inet site refuses what the machines ask .*: nft 'insert rule inet site input iifname "wirebox" accept'; nft 'insert/,
    [],
  ],
  [
    "a chain that drops what another sends there",
    [
      "nft add table inet site; nft add chain inet site rest; nft add rule inet site rest counter drop",
      site("input", "accept", "tcp dport 22 accept", "jump rest"),
    ],
    /table inet site refuses /,
    ["clients", "outside"],
  ],
  [
    "a chain that lets one port of the machines' in",
    [site("input", "drop", 'iifname "wirebox" tcp dport 22 accept', "ct state established accept")],
    /table inet site refuses .*\(udp\/53 tcp\/53 udp\/67 udp\/123\)/,
    ["clients", "outside"],
  ],
  [
    "a chain that lets in who has an address already",
    [site("input", "drop", "ip saddr 192.168.122.0/24 accept", "ct state established accept")],
    /table inet site refuses .*\(udp\/67\)/,
    everything,
  ],
  [
    "a chain that forwards by the port that clients use, which is translated by then",
    [
      site(
        "forward",
        "drop",
        "ct state established accept",
        'iifname "wirebox" accept',
        "tcp dport 443 accept",
      ),
    ],
    /table inet site drops what is forwarded .*\(in:tcp\/443 in:udp\/65535\)/,
    ["names", "addresses", "outside"],
  ],
  [
    "ufw",
    [
      ...["ufw-user-input", "ufw-user-forward"].map((chain) => `iptables -N ${chain}`),
      "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "iptables -A INPUT -i lo -j ACCEPT",
      ...["iptables -A INPUT -j ufw-user-input", "iptables -A FORWARD -j ufw-user-forward"],
      ...["iptables -P INPUT DROP", "iptables -P FORWARD DROP"],
    ],
    /table ip filter refuses what the machines ask this host for.*: ufw allow in on wirebox; ufw route allow in/,
    [],
    // What `ufw allow in on` and `ufw route allow in on`, `out on` put into its chains.
    [
      "iptables -A ufw-user-input -i wirebox -j ACCEPT",
      "iptables -A ufw-user-forward -i wirebox -j ACCEPT",
      "iptables -A ufw-user-forward -o wirebox -j ACCEPT",
    ],
  ],
  [
    "firewalld",
    [
      "nft add table inet firewalld",
      "nft add chain inet firewalld filter_IN_trusted",
      "nft add rule inet firewalld filter_IN_trusted accept",
      ...["INPUT input", "FORWARD forward"].flatMap((names) => {
        const [chain, hook] = names.split(" ");
        return [
          `nft 'add chain inet firewalld filter_${chain} { type filter hook ${hook} priority filter + 10; }'`,
          `nft add rule inet firewalld filter_${chain} ct state established,related accept`,
          `nft add rule inet firewalld filter_${chain} iifname lo accept`,
          `nft add rule inet firewalld filter_${chain} reject with icmpx admin-prohibited`,
        ];
      }),
    ],
    /table inet firewalld refuses .*: firewall-cmd --permanent --zone=trusted --add-interface=wirebox/,
    [],
    // What the zone trusted has for its interfaces.
    [
      'nft insert rule inet firewalld filter_INPUT iifname "wirebox" goto filter_IN_trusted',
      'nft insert rule inet firewalld filter_FORWARD iifname "wirebox" goto filter_IN_trusted',
      'nft insert rule inet firewalld filter_FORWARD oifname "wirebox" accept',
    ],
  ],
];

// Each preflight starts some sixty processes, on whatever machine this is.
describe("a firewall of somebody else's", { timeout: 240_000 }, () => {
  it("is not there: everything passes, and nothing is found", async () => {
    expect(await passing(everything)).toEqual(everything);
    expect(await findings()).toEqual([]);
  });

  it.each(others)(
    "%s is found in `up` and `verify`, and its commands let everything pass",
    async (...row) => {
      const [, rules, finding, before, commands] = row;
      try {
        for (const rule of rules) host.run("sh", "-c", rule);
        expect(await passing(before)).toEqual(before);
        const found = await findings();
        expect(found).toEqual([expect.stringMatching(finding)]);
        const report = new Report(() => {});
        await checkHost(report, "wirebox", hostFacts, found);
        expect(report.failures).toEqual(["preflight"]);
        const named = found[0]?.split("): ").at(-1)?.split("; ") ?? [];
        for (const command of commands ?? named) host.run("sh", "-c", command);
        expect(await passing(everything)).toEqual(everything);
        expect(await findings()).toEqual([]);
      } finally {
        host.run(
          "sh",
          "-c",
          "for table in 'ip filter' 'inet firewalld' 'inet site'; do nft delete table $table 2>/dev/null; done; true",
        );
      }
    },
  );

  it.each([
    [
      "that lets the machines ask for just what they need, and forwards to and from them",
      [
        site("input", "drop", 'iifname "wirebox" udp dport { 53, 67, 123 } accept', "tcp dport 53 accept"),
        site(
          "forward",
          "drop",
          'iifname "wirebox" accept',
          "ct status dnat accept",
          "ct state established accept",
        ),
      ],
    ],
    [
      "whose chain lets them through before another drops",
      [
        "nft add table inet site; nft add chain inet site ours; nft 'add rule inet site ours iifname \"wirebox\" accept'",
        site("input", "accept", "jump ours", "drop"),
      ],
    ],
    [
      "that rejects what comes from elsewhere",
      [site("input", "accept", 'iifname "uplink" tcp dport 25 reject')],
    ],
  ])("%s is not in the way", async (_, rules) => {
    try {
      for (const rule of rules) host.run("sh", "-c", rule);
      expect(await passing(everything)).toEqual(everything);
      expect(await findings()).toEqual([]);
    } finally {
      host.run("nft", "delete", "table", "inet", "site");
    }
  });
});

describe("an `up` that has nothing to do", () => {
  const docker = (verb: "-N" | "-X") =>
    host.run(
      ...["sh", "-c"],
      verb === "-N"
        ? "iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -P FORWARD DROP"
        : "nft delete table ip filter",
    );
  const unchanged = { code: 0, stdout: "Resources: 90 unchanged\n" };
  const warning =
    /^warning: on the host: table ip filter drops what is forwarded .*: iptables -I DOCKER-USER [^\n]*\n$/;

  it.each([
    ["of a stack that is up", { machines: [] }],
    ["that goes on where the first run failed", undefined],
  ])(
    "%s names what has come to the host since, each time",
    async (_, outputs) => {
      expect(await up(outputs)).toEqual({ ...unchanged, stderr: "" });
      docker("-N");
      try {
        for (let run = 0; run < 2; run++)
          expect(await up(outputs)).toEqual({ ...unchanged, stderr: expect.stringMatching(warning) });
      } finally {
        docker("-X");
      }
      expect(await up(outputs)).toEqual({ ...unchanged, stderr: "" });
    },
    300_000,
  );
});
