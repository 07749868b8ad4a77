import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type HostSsh, hostSshIn, sshTo } from "../../cli/host-ssh";
import { recover } from "../../cli/recover";

// The host is a folder with a file for each object, and a virsh that knows as much of it as recovery asks for; the
// engine's state is a file that a stand-in for the CLI exports and imports.
const virsh = `#!/bin/bash
shift 2 # --connect URI
cd "$HOST"
echo "$*" >>calls
case $1 in
  list) ls domain ;;
  dumpxml) cat "domain/$2" ;;
  dominfo) [ -e "domain/$2" ] ;;
  net-info) [ -e "network/$2" ] ;;
  pool-info) [ -e "pool/$2" ] ;;
  vol-list) printf ' Name Path\\n---\\n'; ls "pool/$2" ;;
  vol-info) [ -e "pool/$4/$2" ] ;;
  vol-delete) rm "pool/$4/$2" ;;
  destroy | net-destroy | pool-destroy) ;;
  undefine) rm "domain/$2" ;;
  net-undefine) rm "network/$2" ;;
  pool-undefine) rmdir "pool/$2" ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
`;
const pulumi = `#!/bin/bash
case "$1 $2" in
  "stack export") cat "$HOST/state.json" ;;
  "stack import") cat >"$HOST/state.json" ;;
  "config --json") cat "$HOST/config.json" ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
`;

const machines = ["assethost", "kubenode1", "datanode1"];
let host: string;

/** A host on which a whole deployment runs. */
beforeEach(() => {
  host = mkdtempSync(join(tmpdir(), "wiab-recover-"));
  for (const folder of ["bin", "domain", "network", "pool/wirebox"])
    mkdirSync(join(host, folder), { recursive: true });
  for (const [name, text] of Object.entries({ virsh, pulumi })) {
    writeFileSync(join(host, "bin", name), text);
    chmodSync(join(host, "bin", name), 0o755);
  }
  vi.stubEnv("PATH", `${join(host, "bin")}:${process.env.PATH}`);
  vi.stubEnv("HOST", host);
  writeFileSync(join(host, "network/wirebox"), "");
  for (const name of machines) {
    writeFileSync(join(host, `domain/wirebox-${name}`), `<source network='wirebox'/>`);
    writeFileSync(join(host, `pool/wirebox/${name}.qcow2`), "all that this machine knows");
  }
  writeFileSync(
    join(host, "config.json"),
    JSON.stringify({
      "wiab-staging:domain": { value: "wire.example.com" },
      "wiab-staging:firewall": { objectValue: { publicAddress: "203.0.113.10" } },
      "wiab-staging:image": { objectValue: { source: "/image", virtualSizeGB: 2 } },
      "wiab-staging:machines": {
        objectValue: machines.map((name, index) => ({
          name,
          role: name.replace(/\d/, ""),
          address: `192.168.122.1${index}`,
          memoryGiB: 1,
          vcpus: 1,
          diskGB: 10,
        })),
      },
    }),
  );
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(host, { recursive: true });
});

interface Resource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

const domain = (name: string): Resource => ({
  type: "libvirt:index/domain:Domain",
  name: `${name}-domain`,
  inputs: { name: `wirebox-${name}` },
});
const volume = (name: string): Resource => ({
  type: "libvirt:index/volume:Volume",
  name: `${name}-disk`,
  inputs: { name: `${name}.qcow2`, pool: "wirebox" },
});
const network: Resource = {
  type: "libvirt:index/network:Network",
  name: "host-network",
  inputs: { name: "wirebox" },
};
const pool: Resource = { type: "libvirt:index/pool:Pool", name: "host-pool", inputs: { name: "wirebox" } };
const checked: Resource[] = [
  { type: "command:local:Command", name: "host-preflight-host", inputs: {} },
  { type: "pulumi:providers:libvirt", name: "host-libvirt", inputs: { uri: "qemu:///system" } },
];

const withUrn = ({ name, ...resource }: Resource) => ({
  urn: `urn:pulumi:staging::wiab-staging::${resource.type}::${name}`,
  ...resource,
});

/** Puts the state in place. */
function record(resources: readonly Resource[], creating: readonly Resource[] = []): void {
  const deployment = {
    resources: resources.map(withUrn),
    pending_operations: creating.map((resource) => ({ type: "creating", resource: withUrn(resource) })),
  };
  writeFileSync(join(host, "state.json"), JSON.stringify({ version: 3, deployment }));
}

const pending = () =>
  JSON.parse(readFileSync(join(host, "state.json"), "utf8")).deployment.pending_operations ?? [];

const everything = () =>
  readdirSync(host, { recursive: true, encoding: "utf8" })
    .filter((file) => /^(domain|network|pool)\//.test(file))
    .sort();

const yes = vi.fn(async (_: readonly string[]) => true);
const recovered = (confirm: (objects: readonly string[]) => Promise<boolean> = yes) =>
  recover({}, join(host, "nowhere"), "staging", confirm);

describe("a state that is older than the host", () => {
  it("costs no machine and no disk", async () => {
    const before = everything();
    record([...checked, network, pool]);
    expect(await recovered()).toEqual([]);
    expect(everything()).toEqual(before);
  });

  it("costs none either if it was taken while they were made, but for the domain that is asked about", async () => {
    record([...checked, network, pool, volume("assethost")], [domain("assethost"), volume("datanode1")]);
    yes.mockClear();
    expect(await recovered()).toEqual([
      "took away the half-made domain wirebox-assethost",
      "forgot 2 operations that never ended",
    ]);
    expect(yes).toHaveBeenCalledWith(["domain wirebox-assethost"]);
    for (const name of machines)
      expect(existsSync(join(host, `pool/wirebox/${name}.qcow2`)), name).toBe(true);
  });

  it("costs neither network nor pool that something is in", async () => {
    const before = everything();
    record(checked, [network, pool]);
    expect(await recovered()).toEqual([
      "network wirebox stays: domain wirebox-assethost is in it",
      "pool wirebox stays: it has 3 volumes",
      "forgot 2 operations that never ended",
    ]);
    expect(everything()).toEqual(before);
  });
});

it("another checkout's state touches nothing of the host's", async () => {
  const before = everything();
  record(checked);
  expect(await recovered()).toEqual([]);
  expect(everything()).toEqual(before);
});

it("what operations that never ended have made goes, in an order that libvirt takes", async () => {
  for (const file of everything().filter((file) => /\.qcow2|domain\/.*(kube|data)/.test(file)))
    rmSync(join(host, file));
  record(checked, [pool, network, domain("assethost")]);
  rmSync(join(host, "domain/wirebox-assethost"));
  writeFileSync(join(host, "domain/wirebox-assethost"), "");
  expect(await recovered()).toEqual([
    "took away the half-made domain wirebox-assethost",
    "took away the half-made network wirebox",
    "took away the half-made pool wirebox",
    "forgot 3 operations that never ended",
  ]);
  expect(everything()).toEqual([]);
});

it("without consent nothing is deleted, and nothing forgotten", async () => {
  const before = everything();
  record([...checked, network, pool], [domain("assethost")]);
  await expect(recovered(async () => false)).rejects.toThrow(/nothing was deleted/);
  expect(everything()).toEqual(before);
  expect(pending()).toHaveLength(1);
});

it("a host behind SSH is asked there, and the key that it has to prove is the configuration's", async () => {
  writeFileSync(join(host, "bin/ssh"), `#!/bin/bash\nprintf '%s\\n' "$@" >"$HOST/ssh"\nexit 1\n`);
  chmodSync(join(host, "bin/ssh"), 0o755);
  const uri = "qemu+ssh://root@kvm.example.com:2222/system?no_verify=1&sshauth=privkey&keyfile=/home/o/key";
  const provider = { type: "pulumi:providers:libvirt", name: "host-libvirt", inputs: { uri } };
  const ssh = hostSshIn({
    address: "kvm.example.com",
    port: 2222,
    privateKeyFile: "/home/o/key",
    hostKey: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)} host`,
  });
  record([provider], [domain("assethost")]);
  const recovering = (to?: HostSsh) => recover({}, join(host, "nowhere"), "staging", yes, to);
  expect(await recovering(ssh)).toEqual(["forgot 1 operations that never ended"]);
  const [command, ...options] = sshTo(ssh);
  expect(command).toBe("ssh");
  expect(options).toContain("StrictHostKeyChecking=yes");
  expect(readFileSync(join(host, "ssh"), "utf8").trimEnd().split("\n")).toEqual([
    ...options,
    ...["virsh", "--connect", "qemu:///system", "'dominfo'", "'wirebox-assethost'"],
  ]);
  record([provider], [domain("assethost")]);
  await expect(recovering()).rejects.toThrow(
    "worked on kvm.example.com, and the configuration's host.ssh.address leads to this machine",
  );
  expect(pending()).toHaveLength(1);
});
