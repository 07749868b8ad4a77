import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Toolchain } from "./install";
import { moveStates, stacksIn, stateFile, stateHome } from "./states";

/** The checkout. */
export const projectDirectory = join(__dirname, "..");
/** Where a checkout keeps what its labs can make again. */
export const stateDirectory = join(projectDirectory, ".state");

let home: string | undefined;

/** Where the states of this checkout's stacks and their passphrase are; those of earlier versions move there first. */
export function stateFiles(): {
  readonly home: string;
  readonly backend: string;
  readonly passphrase: string;
} {
  if (home === undefined) {
    const place = stateHome(projectDirectory);
    if (moveStates(stateDirectory, place))
      console.error(
        `states and passphrase of this checkout have moved to ${place}, out of the way of "git clean"`,
      );
    home = place;
  }
  return { home, backend: join(home, "backend"), passphrase: join(home, "passphrase") };
}

/** Where the operator's own Pulumi keeps its logins. */
function credentialsDirectory(): string {
  const { PULUMI_CREDENTIALS_PATH, PULUMI_HOME } = process.env;
  return PULUMI_CREDENTIALS_PATH || PULUMI_HOME || join(homedir(), ".pulumi");
}

/**
 * Whether the operator has chosen where states are kept, by a variable or by `pulumi login`, other than that
 * of a stack which the checkout's own backend has.
 */
export function hasOwnBackend(stack?: string): boolean {
  if (stack && existsSync(stateFile(stateFiles().backend, stack))) return false;
  const { PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN } = process.env;
  return Boolean(PULUMI_BACKEND_URL || PULUMI_ACCESS_TOKEN) || isLoggedIn();
}

function isLoggedIn(): boolean {
  const file = join(credentialsDirectory(), "credentials.json");
  // After `pulumi logout` the file is still there, without a current backend.
  return existsSync(file) && Boolean(JSON.parse(readFileSync(file, "utf8")).current);
}

/**
 * The environment for a Pulumi process. Where the operator has logged in to a backend, that one is used;
 * otherwise states are kept in files of the checkout's own backend, encrypted with a random passphrase beside them.
 */
export function pulumiEnvironment(toolchain: Toolchain, stack?: string): Record<string, string> {
  if (hasOwnBackend(stack))
    // The pinned tools have a home of their own, which would hide the operator's login.
    return { ...toolchain.env, PULUMI_CREDENTIALS_PATH: credentialsDirectory() };
  return { ...toolchain.env, ...localBackend() };
}

/**
 * The checkout's own backend, whatever the operator uses otherwise; labs live there.
 * @throws Error if its stacks have a passphrase that is not there any more.
 */
export function localBackend(): Record<string, string> {
  const { home, backend, passphrase } = stateFiles();
  mkdirSync(backend, { recursive: true, mode: 0o700 });
  const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
  const environment = { PULUMI_BACKEND_URL: `file://${backend}` };
  if (PULUMI_CONFIG_PASSPHRASE !== undefined || PULUMI_CONFIG_PASSPHRASE_FILE !== undefined)
    return environment;
  if (!existsSync(passphrase)) {
    const stacks = stacksIn(backend);
    if (stacks.length > 0)
      throw new Error(
        `${passphrase} is missing, and the secrets of ${stacks.join(", ")} are encrypted with what was in it. Write it into that file again, or name another one with PULUMI_CONFIG_PASSPHRASE_FILE; a new one would open nothing and is not made. Without it there is no way back (docs/operations.md): to begin anew, move ${home} away`,
      );
    writeFileSync(passphrase, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  }
  return { ...environment, PULUMI_CONFIG_PASSPHRASE_FILE: passphrase };
}
