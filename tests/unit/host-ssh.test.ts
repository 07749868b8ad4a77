import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { typedHost } from "../../cli/adopt";
import { placeOf } from "../../cli/host-record";
import { hostSshIn, sshTo } from "../../cli/host-ssh";
import { projectDirectory } from "../../toolchain/environment";

const hostKey = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`;
const address = "kvm.example.com";

/** What OpenSSH itself makes of the command: its options by their names. */
function settings(command: readonly string[]): Record<string, string> {
  const [ssh = "", ...args] = command;
  const text = execFileSync(ssh, ["-F", "none", "-G", ...args], { encoding: "utf8", stdio: "pipe" });
  return Object.fromEntries(text.split("\n").map((line) => line.split(/ (.*)/).slice(0, 2)));
}

describe("the way to a host", () => {
  it("insists on the configured key, and asks no other place for one", () => {
    expect(
      settings(sshTo(hostSshIn({ address, port: 2222, hostKey: `${hostKey} a comment` }))),
    ).toMatchObject({
      ...{ user: "root", hostname: address, port: "2222", hostkeyalgorithms: "ssh-ed25519" },
      ...{ stricthostkeychecking: "true", knownhostscommand: `/usr/bin/env echo %H ${hostKey}` },
      ...{ userknownhostsfile: "/dev/null", globalknownhostsfile: "/dev/null" },
    });
  });

  it("is the workstation's known_hosts without one, where a changed key is refused", () => {
    expect(settings(sshTo(hostSshIn({ address, user: "deploy", privateKeyFile: __filename })))).toMatchObject(
      {
        ...{ user: "deploy", stricthostkeychecking: "accept-new", identityfile: __filename },
      },
    );
  });

  it("comes from the stack's file, whatever a value there would be for a command line", () => {
    const folder = mkdtempSync(join(tmpdir(), "wiab-host-ssh-"));
    const file = join(folder, "Pulumi.staging.yaml");
    const given = (ssh: object) =>
      writeFileSync(file, JSON.stringify({ config: { "wiab-staging:host": { ssh } } }));
    given({ address, hostKey });
    expect(placeOf(file)).toEqual({ network: "wirebox", ssh: { address, user: "root", port: 22, hostKey } });
    const alone = { "wiab-staging:host": { hypervisor: "none" } };
    writeFileSync(file, JSON.stringify({ config: alone }));
    expect(placeOf(file)).toEqual({ network: "wirebox", store: "/var/lib/wiab/wirebox" });
    for (const [ssh, message] of [
      [{ address: "-oProxyCommand=id" }, "host.ssh.address must be a name"],
      [{ address, hostKey: "ssh-ed25519 %H" }, "host.ssh.hostKey must be the line"],
      [{ address, user: "-l" }, "host.ssh.user must be a user name"],
    ] as const) {
      given(ssh);
      expect(() => placeOf(file), message).toThrow(message);
    }
    rmSync(folder, { recursive: true });
  });

  it("is typed where the stack's file is lost", () => {
    expect(typedHost("demo@192.0.2.1:2222", "/key", hostKey)).toEqual({
      ...{ address: "192.0.2.1", user: "demo", port: 2222, privateKeyFile: "/key", hostKey },
    });
    expect(() => typedHost("demo@[::1]")).toThrow("host.ssh.address must be a name");
  });

  it("is no command line of a caller's own", () => {
    const callers = readdirSync(join(projectDirectory, "cli"), { recursive: true, encoding: "utf8" }).filter(
      (file) =>
        /\.(ts|sh)$/.test(file) &&
        /["'`]ssh["'`]|StrictHostKeyChecking/.test(readFileSync(join(projectDirectory, "cli", file), "utf8")),
    );
    expect(callers).toEqual(["host-ssh.ts"]);
  });
});
