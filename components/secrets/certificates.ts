// The certificate library asks for it before it is loaded itself.
import "reflect-metadata";
import { createHash, createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/**
 * Certificates of the stack's own authority as pure functions of keys. Ed25519 signatures have no random
 * part (RFC 8032), so the same keys and names always give the same bytes and no run sees a difference.
 */

cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);
const algorithm = { name: "Ed25519" } as const;

/**
 * Thirty years from the project's first: an authority within one private network, replaced by replacing its
 * secret. A certificate that runs out by the clock would stop a network that nobody can reach from outside.
 */
const validity = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2056-01-01T00:00:00Z") };

/** Whom a certificate is for. */
export interface CertificateNames {
  /** Common name; what people see. */
  readonly commonName: string;
  /** DNS names that the holder is reached by. */
  readonly dnsNames: readonly string[];
  /** IP addresses that the holder is reached by. */
  readonly addresses: readonly string[];
}

/** The certificate of an authority, in PEM, that its own Ed25519 key (PEM of PKCS#8) signs; it may sign no further authority. */
export async function authorityCertificate(key: string, commonName: string): Promise<string> {
  const publicKey = await importPublic(key);
  return generate(commonName, key, { commonName, key }, [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]);
}

/** A certificate, in PEM, for a server (that may be a client of its peers as well), signed by an authority. */
export async function serverCertificate(
  key: string,
  names: CertificateNames,
  authority: { readonly commonName: string; readonly key: string },
): Promise<string> {
  return generate(names.commonName, key, authority, [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension([
      ...names.dnsNames.map((value) => ({ type: "dns" as const, value })),
      ...names.addresses.map((value) => ({ type: "ip" as const, value })),
    ]),
    await SubjectKeyIdentifierExtension.create(await importPublic(key)),
    await AuthorityKeyIdentifierExtension.create(await importPublic(authority.key)),
  ]);
}

/** The certificate, in PEM, of a P-256 key that others encrypt for, signed by an authority. */
export async function recipientCertificate(
  key: string,
  commonName: string,
  authority: { readonly commonName: string; readonly key: string },
): Promise<string> {
  return generate(commonName, key, authority, [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyAgreement, true),
    await SubjectKeyIdentifierExtension.create(await importPublic(key)),
    await AuthorityKeyIdentifierExtension.create(await importPublic(authority.key)),
  ]);
}

async function generate(
  commonName: string,
  key: string,
  authority: { readonly commonName: string; readonly key: string },
  extensions: Extension[],
): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    // Unique for an authority (RFC 5280, section 4.1.2.2): another key or another content, another number.
    serialNumber: serial([
      commonName,
      publicDer(key),
      ...extensions.map(({ rawData }) => Buffer.from(rawData)),
    ]),
    subject: `CN=${commonName}`,
    issuer: `CN=${authority.commonName}`,
    ...validity,
    signingAlgorithm: algorithm,
    publicKey: await importPublic(key),
    signingKey: await webcrypto.subtle.importKey(
      "pkcs8",
      createPrivateKey(authority.key).export({ format: "der", type: "pkcs8" }),
      algorithm,
      false,
      ["sign"],
    ),
    extensions,
  });
  return `${certificate.toString("pem")}\n`;
}

const publicDer = (key: string): Buffer => createPublicKey(key).export({ format: "der", type: "spki" });

const importPublic = (key: string) =>
  webcrypto.subtle.importKey(
    "spki",
    publicDer(key),
    createPublicKey(key).asymmetricKeyType === "ec" ? { name: "ECDSA", namedCurve: "P-256" } : algorithm,
    true,
    ["verify"],
  );

/** A positive number of 16 bytes, in hexadecimal. */
function serial(parts: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return `4${hash.digest("hex").slice(1, 32)}`;
}
