import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, waitUntil } from "../toolchain/commands";

/** Options for ssh to a lab's machine: the way there leads over a bridge of this computer, where nobody is between. */
export const sshOptions = [
  ...["-o", "StrictHostKeyChecking=no"],
  ...["-o", "UserKnownHostsFile=/dev/null"],
  ...["-o", "LogLevel=ERROR"],
  // Of the banner as well: a machine of a busy lab was seen to take longer than a quarter of a minute.
  ...["-o", "ConnectTimeout=30"],
];

/**
 * Runs `work` with an SSH agent that holds the keys, and ends the agent after it. They reach the
 * agent by standard input, so that the stack's never lies on the disk.
 */
export async function withKeys<T>(
  privateKeys: readonly string[],
  work: (env: Record<string, string>) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "wiab-agent-"));
  const env = { SSH_AUTH_SOCK: join(directory, "agent") };
  // It ends with the shell's standard input, and so with this process, whatever way that ends: it has keys.
  const command = ["-a", env.SSH_AUTH_SOCK, "sh", "-c", "cat; kill $SSH_AGENT_PID"];
  const agent = spawn("ssh-agent", command, { stdio: ["pipe", "ignore", "ignore"] });
  try {
    await waitUntil("the SSH agent listens", 10, async () => existsSync(env.SSH_AUTH_SOCK));
    for (const input of privateKeys) await run("ssh-add", ["-q", "-"], { env, input });
    return await work(env);
  } finally {
    agent.stdin.end();
    rmSync(directory, { recursive: true, force: true });
  }
}
