import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { isAlive } from "./processes";

/**
 * The folder of a checkout's states and their passphrase: `WIAB_STATE`, else one that is named after the checkout, in the
 * XDG data folder of whoever owns the checkout, so that `sudo` finds the same. Not in the checkout, where a
 * `git clean -fdx` would take it along.
 */
export function stateHome(checkout: string): string {
  const { WIAB_STATE, XDG_DATA_HOME } = process.env;
  if (WIAB_STATE) return WIAB_STATE;
  const path = realpathSync(checkout);
  const { uid } = statSync(path);
  const data =
    uid === process.getuid?.()
      ? XDG_DATA_HOME || join(homedir(), ".local/share")
      : join(homeOf(uid) ?? homedir(), ".local/share");
  const mark = createHash("sha256").update(path).digest("hex").slice(0, 8);
  return join(data, "wiab-staging", `${basename(path)}-${mark}`);
}

const homeOf = (uid: number): string | undefined =>
  readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[2] === `${uid}`)?.[5];

/**
 * Moves states and passphrase from where earlier versions kept them. What is at the new place already is never replaced.
 * Can be killed at any moment: the next call goes on.
 * @returns whether anything was moved.
 * @throws Error if a run is at work on one of the states.
 */
export function moveStates(former: string, home: string): boolean {
  const moving = ["backend", "passphrase"].filter(
    (name) => existsSync(join(former, name)) && !existsSync(join(home, name)),
  );
  if (moving.length === 0) return false;
  for (const file of locksIn(join(former, "backend"))) {
    const { pid }: { pid: number } = JSON.parse(readFileSync(file, "utf8"));
    if (isAlive(pid))
      throw new Error(
        `process ${pid} is at work on a stack of this checkout, whose states are to move from ${former} to ${home}: wait for it`,
      );
  }
  mkdirSync(home, { recursive: true, mode: 0o700 });
  for (const name of moving) {
    // A rename would not get into another file system; a copy that is not whole must not count.
    const part = join(home, `${name}.part`);
    rmSync(part, { recursive: true, force: true });
    cpSync(join(former, name), part, { recursive: true, preserveTimestamps: true });
    chmodSync(part, name === "passphrase" ? 0o600 : 0o700);
    renameSync(part, join(home, name));
    rmSync(join(former, name), { recursive: true });
  }
  return true;
}

/** The files by which runs hold the stacks of a local backend. */
export function locksIn(backend: string): string[] {
  const locks = join(backend, ".pulumi", "locks");
  if (!existsSync(locks)) return [];
  return readdirSync(locks, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".json"))
    .map((file) => join(locks, file));
}

/** The file of a stack in a local backend. */
export const stateFile = (backend: string, stack: string): string =>
  join(backend, ".pulumi", "stacks", "wiab-staging", `${stack}.json`);

/** The stacks of a local backend, also those whose states cannot be read: the CLI lists none of them because of one. */
export function stacksIn(backend: string): string[] {
  const folder = dirname(stateFile(backend, ""));
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);
}
