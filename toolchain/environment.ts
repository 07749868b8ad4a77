import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Toolchain } from "./install";

/** The checkout. */
export const projectDirectory = join(__dirname, "..");
/** Where a checkout keeps what belongs to it and is no source: the states of its stacks. */
export const stateDirectory = join(projectDirectory, ".state");
const backendDirectory = join(stateDirectory, "backend");
const passphraseFile = join(stateDirectory, "passphrase");

/** Where the operator's own Pulumi keeps its logins. */
function credentialsDirectory(): string {
  const { PULUMI_CREDENTIALS_PATH, PULUMI_HOME } = process.env;
  return PULUMI_CREDENTIALS_PATH || PULUMI_HOME || join(homedir(), ".pulumi");
}

/**
 * Whether the operator has chosen where states are kept, by a variable or by `pulumi login`, other than that
 * of a stack which is in the checkout.
 */
export function hasOwnBackend(stack?: string): boolean {
  if (stack && existsSync(join(backendDirectory, ".pulumi", "stacks", "wiab-staging", `${stack}.json`)))
    return false;
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
 * otherwise states are kept in files in the checkout, encrypted with a random passphrase beside them.
 */
export function pulumiEnvironment(toolchain: Toolchain, stack?: string): Record<string, string> {
  if (hasOwnBackend(stack))
    // The pinned tools have a home of their own, which would hide the operator's login.
    return { ...toolchain.env, PULUMI_CREDENTIALS_PATH: credentialsDirectory() };
  return { ...toolchain.env, ...localBackend() };
}

/** The backend in the checkout, whatever the operator uses otherwise; labs live there. */
export function localBackend(): Record<string, string> {
  mkdirSync(backendDirectory, { recursive: true, mode: 0o700 });
  if (!existsSync(passphraseFile))
    writeFileSync(passphraseFile, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
  return {
    PULUMI_BACKEND_URL: `file://${backendDirectory}`,
    ...(PULUMI_CONFIG_PASSPHRASE === undefined && PULUMI_CONFIG_PASSPHRASE_FILE === undefined
      ? { PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile }
      : {}),
  };
}
