import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { libvirtUri } from "../../components/host/preflight/preflight";
import { knownKeys } from "../../components/validation/known-hosts";
import { type ConfigurationError, validate } from "../../components/validation/validate";
import { stagingConfiguration, stagingValues, surroundings } from "../stacks";

const folder = mkdtempSync(join(tmpdir(), "wiab-known-hosts-"));
let hostKey = "";
let another = "";

beforeAll(() => {
  const make = (name: string): string => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder, name)]);
    return readFileSync(join(folder, `${name}.pub`), "utf8").trim();
  };
  hostKey = make("host");
  another = make("another");
});
afterAll(() => rmSync(folder, { recursive: true }));

const bare = (key: string) => key.split(" ").slice(0, 2).join(" ");

/** What is refused of a host with that key, on a workstation with these known hosts. */
function refused(knownHosts: string | undefined, port = 22): string[] {
  const values = stagingValues();
  Object.assign(values.host.ssh, { hostKey, port });
  const readText = (path: string) => {
    expect(path).toBe("~/.ssh/known_hosts");
    if (knownHosts === undefined) throw new Error("ENOENT");
    return knownHosts;
  };
  try {
    validate(values, { ...surroundings, readText });
    return [];
  } catch (error) {
    return (error as ConfigurationError).problems.map(({ key, message }) => `${key}: ${message}`);
  }
}

describe("the host's key", () => {
  it("has to be known to the workstation, by the name and port that are connected to", () => {
    expect(refused(`kvm.example.com,192.0.2.1 ${hostKey}\n`)).toEqual([]);
    expect(refused(`[kvm.example.com]:2222 ${hostKey}\n`, 2222)).toEqual([]);
    const line = (name: string) => [
      expect.stringMatching(`append the line: ${name} ${bare(hostKey).replace(/[+/]/g, ".")}$`),
    ];
    expect(refused(undefined)).toEqual(line("kvm.example.com"));
    expect(refused(`[kvm.example.com]:2222 ${hostKey}\nother ${hostKey}`)).toEqual(line("kvm.example.com"));
    expect(refused(`kvm.example.com ${hostKey}`, 2222)).toEqual(line("\\[kvm.example.com\\]:2222"));
  });

  it("is refused where the workstation knows another one", () => {
    expect(refused(`kvm.example.com ${another}`)).toEqual([expect.stringContaining("is not the key that")]);
  });

  it("is found where OpenSSH has hashed the names", () => {
    const file = join(folder, "hashed");
    writeFileSync(file, `kvm.example.com ${hostKey}\nother.example.com ${another}\n`);
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "pipe" });
    const text = readFileSync(file, "utf8");
    expect(text).not.toContain("kvm.example.com");
    expect(knownKeys(text, "kvm.example.com")).toEqual([bare(hostKey)]);
  });

  it("is asked of libvirt's connection, which otherwise checks nothing, with a warning", () => {
    const withKey = stagingConfiguration((c) => (c.host.ssh.port = 2222)).host;
    const ssh = { ...withKey.ssh, hostKey } as NonNullable<typeof withKey.ssh>;
    expect(libvirtUri({ ...withKey, ssh })).toBe(
      "qemu+ssh://root@kvm.example.com:2222/system?knownhosts=%24HOME%2F.ssh%2Fknown_hosts&known_hosts_verify=normal&sshauth=agent",
    );
    expect(libvirtUri(withKey)).toContain("no_verify=1");
    expect(validate(stagingValues(), surroundings).warnings).toEqual([
      expect.stringContaining("host.ssh.hostKey is missing"),
    ]);
  });
});
