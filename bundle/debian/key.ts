import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "../../toolchain/commands";

/**
 * The time that signatures and the repository carry, for gpg and for apt. It is the same for ever, so that the same
 * packages and key give the same bytes; an older one than a machine has seen would make its apt keep what it had.
 */
export const signingTime = { gpg: "20240101T000000!", apt: "Mon, 01 Jan 2024 00:00:00 UTC" } as const;

/**
 * Where the key lies that signs the repositories of all bundles of this operator, as a home folder of GnuPG's:
 * `$XDG_CONFIG_HOME/wiab-staging/bundle-key`, else below `~/.config`.
 */
export const keyDirectory = (): string =>
  join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "wiab-staging", "bundle-key");

/** Gives the key's folder. It is made once: machines that trust the key take every later bundle, too. */
export async function signingKey(): Promise<string> {
  const finished = keyDirectory();
  if (existsSync(finished)) return finished;
  mkdirSync(dirname(finished), { recursive: true });
  // Closed to others, as mkdtemp makes it.
  const home = mkdtempSync(`${finished}.making-`);
  const name = "Wire in a Box Staging bundle";
  // Without expiry: a repository that stops being trusted one day helps nobody, and nobody is there to renew it.
  await gpg(home, ["--quick-generate-key", name, "ed25519", "sign", "never"]);
  try {
    renameSync(home, finished);
  } catch (error) {
    // Two runs that began in the same moment: the first one's key it is.
    rmSync(home, { recursive: true, force: true });
    if (!existsSync(finished)) throw error;
  }
  return finished;
}

/**
 * Runs gpg on a home folder and ends the agent that it started. @returns what it wrote.
 * @throws CommandError with what gpg says.
 */
export async function gpg(home: string, args: readonly string[]): Promise<string> {
  const common = [
    "--homedir",
    home,
    "--batch",
    "--quiet",
    "--no-options",
    "--faked-system-time",
    signingTime.gpg,
  ];
  try {
    return await run("gpg", [...common, "--pinentry-mode", "loopback", "--passphrase", "", ...args]);
  } finally {
    await run("gpgconf", ["--homedir", home, "--kill", "gpg-agent"]).catch(() => {});
  }
}
