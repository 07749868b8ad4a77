import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";

/** What it takes to go on with a deployment, besides the passphrase. */
export interface StateCopy {
  readonly stack: string;
  /** Text of the state in a local backend. */
  readonly state: string;
  /** Text of `Pulumi.<stack>.yaml`, with the salt that belongs to the passphrase. */
  readonly configuration: string;
}

/** Begins every copy: another number for another format. */
const mark = "wiab-state-1";

const keyOf = (passphrase: string, salt: Buffer): Buffer => scryptSync(passphrase.trim(), salt, 32);

/** Encrypts a copy with AES-256-GCM under a key from the passphrase (scrypt); the result is a line of text. */
export function seal(copy: StateCopy, passphrase: string): string {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", keyOf(passphrase, salt), nonce);
  const sealed = Buffer.concat([cipher.update(gzipSync(JSON.stringify(copy))), cipher.final()]);
  return [mark, ...[salt, nonce, cipher.getAuthTag(), sealed].map((part) => part.toString("base64"))].join(
    " ",
  );
}

/**
 * Decrypts what {@link seal} gave.
 * @throws Error if it is no copy, was changed, or the passphrase is not the one that it was made with.
 */
export function open(text: string, passphrase: string): StateCopy {
  const [found, ...parts] = text.trim().split(" ");
  const [salt, nonce, tag, sealed] = parts.map((part) => Buffer.from(part, "base64"));
  if (found !== mark || !salt || !nonce || !tag || !sealed)
    throw new Error("the host has no copy that this version reads");
  const decipher = createDecipheriv("aes-256-gcm", keyOf(passphrase, salt), nonce);
  decipher.setAuthTag(tag);
  try {
    return JSON.parse(gunzipSync(Buffer.concat([decipher.update(sealed), decipher.final()])).toString());
  } catch {
    throw new Error("the copy cannot be decrypted: it was made with another passphrase, or is damaged");
  }
}
