import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hostSshIn, sshTo } from "../../cli/host-ssh";
import { openSshEd25519 } from "../../components/secrets/keys";
import { cable, Namespace } from "../acceptance/verify/namespace";
import { ended, Machine, until } from "../fixtures/machine";

// A workstation, and a host with a real SSH server.

const key = openSshEd25519(Buffer.alloc(32, "a key of the tests"), "tests");
const folder = mkdtempSync(join(tmpdir(), "wiab-host-ssh-"));
let workstation: Namespace;
let host: Machine;

beforeAll(async () => {
  writeFileSync(join(folder, "key"), key.privateKey, { mode: 0o600 });
  workstation = new Namespace("workstation");
  host = await Machine.start("kvm");
  cable(workstation, "host", host.network, "eth0");
  workstation.run("ip", "address", "add", "192.0.2.1/24", "dev", "host");
  host.network.run("ip", "address", "add", "192.0.2.2/24", "dev", "eth0");
  await host.run("mkdir -p /run/sshd");
  host.write("/root/.ssh/authorized_keys", key.publicKey);
  host.spawn("-c", "exec /usr/sbin/sshd -D");
  await until("SSH answers", () =>
    host.run("true </dev/tcp/127.0.0.1/22").then(
      () => true,
      () => false,
    ),
  );
});
afterAll(async () => {
  await host?.stop();
  workstation.remove();
  rmSync(folder, { recursive: true });
});

const hostname = (hostKey: string) => {
  const ssh = hostSshIn({ address: "192.0.2.2", privateKeyFile: join(folder, "key"), hostKey });
  return ended(spawn("ip", ["netns", "exec", workstation.name, ...sshTo(ssh), "hostname"]));
};

it("a host with the configured key is talked to, another one is told nothing", async () => {
  const own = readFileSync(host.path("/etc/ssh/ssh_host_ed25519_key.pub"), "utf8").trim();
  expect(await hostname(own)).toMatchObject({ code: 0, stdout: "kvm\n" });
  expect(await hostname(key.publicKey)).toMatchObject({
    code: 255,
    stdout: "",
    stderr: expect.stringContaining("Host key verification failed"),
  });
});
