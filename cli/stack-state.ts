import { createDecipheriv, pbkdf2Sync } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseYaml } from "../components/config/yaml";
import { projectDirectory } from "../toolchain/environment";
import { stateFile } from "../toolchain/states";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The passphrase that the engine will encrypt with; undefined where it would ask for one, or takes another provider.
 * @throws Error if the file that was named cannot be read.
 */
export function passphraseOf(env: Environment): string | undefined {
  const { PULUMI_CONFIG_PASSPHRASE: text, PULUMI_CONFIG_PASSPHRASE_FILE: file } = { ...env, ...process.env };
  if (text !== undefined || !file) return text;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new Error(
      `the passphrase cannot be read: PULUMI_CONFIG_PASSPHRASE_FILE is ${file} (${(error as Error).message})`,
    );
  }
}

/**
 * Looks whether passphrase, state and configuration of a stack belong together before the engine does, whose own
 * messages name neither the file nor the way back.
 * @param env of the engine: its backend and passphrase.
 * @param directory the checkout.
 * @throws Error with the file concerned and what to do.
 */
export function checkStackState(stack: string, env: Environment, directory = projectDirectory): void {
  const url = env.PULUMI_BACKEND_URL ?? "";
  const state = url.startsWith("file://") ? stateFile(fileURLToPath(url), stack) : undefined;
  const kept = state && existsSync(state) ? saltIn(state, stack) : undefined;
  const name = `Pulumi.${stack}.yaml`;
  const file = join(directory, name);
  const text = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const configuration = text === undefined ? undefined : readKeys(text, name);
  if (configuration?.secretsprovider || configuration?.encryptedkey) return;
  const passphrase = passphraseOf(env);
  if (configuration) {
    const given = isSalt(configuration.encryptionsalt) ? configuration.encryptionsalt : undefined;
    if (!given) checkLostSalt(name, configuration, stack, kept);
    else if (passphrase !== undefined && !opens(given, passphrase))
      throw new Error(
        kept && kept !== given && opens(kept, passphrase)
          ? `encryptionsalt in ${name} does not belong to the passphrase, and that of the state does. Take the file from the backup, or put this line in the place of its own and set again what is encrypted in it:\nencryptionsalt: ${kept}`
          : wrongPassphrase(env, name),
      );
    if (kept === given) return;
  }
  // Salts may differ: one was made anew with the same passphrase.
  if (kept && passphrase !== undefined && !opens(kept, passphrase))
    throw new Error(wrongPassphrase(env, `${state}`));
}

/** Keys of a stack's file that say how it is encrypted. */
interface Configuration {
  readonly encryptionsalt?: unknown;
  readonly secretsprovider?: unknown;
  readonly encryptedkey?: unknown;
  /** Whether there are encrypted values. */
  readonly encrypts: boolean;
}

/** @throws Error with the line if it is no YAML, and never with its text. */
function readKeys(text: string, name: string): Configuration {
  const keys = parseYaml(text, name);
  return {
    ...(typeof keys === "object" ? keys : {}),
    // Of the text: an alias may have made a circle of what was read.
    encrypts: /\bsecure["']?:\s*["']?v1:/.test(text),
  };
}

function checkLostSalt(
  name: string,
  configuration: Configuration,
  stack: string,
  kept: string | undefined,
): void {
  if (kept)
    throw new Error(
      `${name} has lost its line encryptionsalt, or a part of it: the passphrase does not open what is encrypted in it. The state of ${stack} has the line; put it back at the top:\nencryptionsalt: ${kept}`,
    );
  if (configuration.encryptionsalt !== undefined || configuration.encrypts)
    throw new Error(
      `${name} has encrypted values, and its line encryptionsalt is lost or cut short: take the file from the backup, or delete that line and the values and set them again (npm run pulumi -- config set --secret)`,
    );
}

/** Where the passphrase came from that does not open what is in a file. */
function wrongPassphrase(env: Environment, file: string): string {
  const { PULUMI_CONFIG_PASSPHRASE: text, PULUMI_CONFIG_PASSPHRASE_FILE: from } = { ...env, ...process.env };
  const source = text !== undefined ? "the variable PULUMI_CONFIG_PASSPHRASE" : from;
  return `the passphrase in ${source} is not the one that ${file} was encrypted with: restore both from one backup, or name a file with the right one by PULUMI_CONFIG_PASSPHRASE_FILE (docs/operations.md); a new one opens nothing`;
}

/** The salt that a state was encrypted with; undefined where it has none. */
function saltIn(file: string, stack: string): string | undefined {
  const state = checkpointIn(file);
  if (!state) {
    const copy = `${file}.bak`;
    const hosts = `the copy that the host has: move the file away, then npm run adopt -- --stack ${stack}`;
    throw new Error(
      `the state ${file} is cut short or damaged. ${
        existsSync(copy) && checkpointIn(copy)?.latest
          ? `The engine keeps the one before its last change: copy ${copy} over it, then npm run pulumi -- refresh --stack ${stack}. Or take ${hosts}`
          : `Take ${hosts}`
      } (docs/operations.md)`,
    );
  }
  const salt = state.latest?.secrets_providers?.state?.salt;
  return isSalt(salt) ? salt : undefined;
}

interface Checkpoint {
  readonly latest?: { readonly secrets_providers?: { readonly state?: { readonly salt?: unknown } } };
}

function checkpointIn(file: string): Checkpoint | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")).checkpoint ?? undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const isSalt = (value: unknown): value is string =>
  typeof value === "string" && /^v1:[A-Za-z0-9+/]+=*:v1:[A-Za-z0-9+/]{16}:[A-Za-z0-9+/]{30}==$/.test(value);

/**
 * Whether a passphrase belongs to a salt: behind the salt the engine writes the word "pulumi", encrypted by AES-256-GCM
 * with a key from both (PBKDF2, a million rounds of SHA-256; pkg/secrets/passphrase of its sources).
 */
function opens(salt: string, passphrase: string): boolean {
  const [, bytes = "", , nonce = "", sealed = ""] = salt.split(":");
  const of = (text: string) => Buffer.from(text, "base64");
  const key = pbkdf2Sync(passphrase, of(bytes), 1_000_000, 32, "sha256");
  const decipher = createDecipheriv("aes-256-gcm", key, of(nonce));
  const tagLength = 16;
  decipher.setAuthTag(of(sealed).subarray(-tagLength));
  try {
    return `${decipher.update(of(sealed).subarray(0, -tagLength))}${decipher.final()}` === "pulumi";
  } catch {
    return false;
  }
}
