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
import { loadScript, renderInput } from "../../components/machine/script";
import { builtKey } from "../../toolchain/build";
import { cable, type Ended, Namespace } from "../acceptance/verify/namespace";
import { hostFacts } from "../fixtures/checks";
import { ended } from "../fixtures/machine";

// Firewalls of somebody else's beside ours, with packets: what they swallow, that `up` and `verify` find it on a host that was
// in order when the stack was made, and that the commands of the finding put it right.

const stack: RulesetArgs = {
  ...{ name: "wirebox", bridge: "wirebox", network: "192.168.122.0/24", publicAddress: "203.0.113.7" },
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

/** What gets through: the machines' names and addresses from the host, clients to the machine, the machine to the outside. */
async function passing(): Promise<string[]> {
  const tries = [
    ["names", machine.knock("udp", "192.168.122.1", 53)],
    ["addresses", machine.knock("udp", "192.168.122.1", 67)],
    ["clients", internet.knock("tcp", "203.0.113.7", 443)],
    ["outside", machine.knock("tcp", "198.51.100.2", 443)],
  ] as const;
  const outcomes = await Promise.all(tries.map(([, outcome]) => outcome));
  return tries.flatMap(([what], index) => ("none" in (outcomes[index] as object) ? [] : [what]));
}

/** The preflight of the first run, as a state has it. */
const preflight = () => {
  const input = renderInput(loadScript("components/host/preflight", "preflight.sh"), {
    ...{ NETWORK: "wirebox", CIDR: "192.168.122.0/24", POOL_PATH: root, VIRTUALIZATION: "qemu" },
    ...{ IMAGE_SOURCE: "https://images.example.com/guest.qcow2", MEMORY_MIB: "64", VCPUS: "1" },
    ...{ DISK_BYTES: "1000000", IMAGE_BYTES: "1000", MACHINES: "1", DOMAINS: "wirebox-kubenode1" },
    ...{ PUBLIC_ADDRESS: stack.publicAddress, LOCAL_ADDRESS: stack.publicAddress, HOST_PORTS: "" },
    ...{
      ADMITTED_MARK: admittedMark,
      TAKEN_PORTS: "tcp 443 443",
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

const everything = ["names", "addresses", "clients", "outside"];

/** Rules as each leaves them, the same as its commands make, and what still passes beside them. */
const others: readonly [string, readonly string[], RegExp, readonly string[], readonly string[]][] = [
  [
    "Docker, installed after the stack was made",
    ["iptables -N DOCKER-USER", "iptables -A FORWARD -j DOCKER-USER", "iptables -P FORWARD DROP"],
    /table ip filter drops what is forwarded/,
    ["names", "addresses"],
    ["iptables -I DOCKER-USER -i wirebox -j ACCEPT", "iptables -I DOCKER-USER -o wirebox -j ACCEPT"],
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

describe("a firewall of somebody else's", () => {
  it("is not there: everything passes, and nothing is found", async () => {
    expect(await passing()).toEqual(everything);
    expect(await findings()).toEqual([]);
  });

  it.each(others)(
    "%s is found in `up` and `verify`, and its commands let everything pass",
    async (...row) => {
      const [, rules, finding, before, commands] = row;
      try {
        for (const rule of rules) host.run("sh", "-c", rule);
        expect(await passing()).toEqual(before);
        const found = await findings();
        expect(found).toEqual([expect.stringMatching(finding)]);
        const report = new Report(() => {});
        await checkHost(report, "wirebox", hostFacts, found);
        expect(report.failures).toEqual(["preflight"]);
        for (const command of commands) host.run("sh", "-c", command);
        expect(await passing()).toEqual(everything);
        expect(await findings()).toEqual([]);
      } finally {
        host.run(
          "sh",
          "-c",
          "nft delete table ip filter 2>/dev/null; nft delete table inet firewalld 2>/dev/null; true",
        );
      }
    },
  );
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
