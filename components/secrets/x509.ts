// The certificate library asks for it before it is loaded itself.
import "reflect-metadata";
import { createHash, createPrivateKey, webcrypto } from "node:crypto";
import { cryptoProvider } from "@peculiar/x509";

/** The certificate library, set up to work with Node's own cryptography; nobody loads it but from here. */
export * from "@peculiar/x509";

cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);

/** How the stack's own authorities sign: without a random part (RFC 8032), so that the same content has the same bytes. */
export const ed25519 = { name: "Ed25519" } as const;

/** An Ed25519 key (PEM of PKCS#8), to sign with. */
export const signingKey = (key: string) =>
  webcrypto.subtle.importKey(
    "pkcs8",
    createPrivateKey(key).export({ format: "der", type: "pkcs8" }),
    ed25519,
    false,
    ["sign"],
  );

/** A positive number of 16 bytes, in hexadecimal: another one for other parts (RFC 5280, section 4.1.2.2). */
export function serialOf(parts: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return `4${hash.digest("hex").slice(1, 32)}`;
}
