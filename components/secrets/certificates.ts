import { createPublicKey, webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  ed25519,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  serialOf,
  signingKey,
  X509CertificateGenerator,
} from "./x509";

/**
 * Certificates of the stack's own authority as pure functions of keys. Ed25519 signatures have no random
 * part (RFC 8032), so the same keys and names always give the same bytes and no run sees a difference.
 */

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
    serialNumber: serialOf([
      commonName,
      publicDer(key),
      ...extensions.map(({ rawData }) => Buffer.from(rawData)),
    ]),
    subject: `CN=${commonName}`,
    issuer: `CN=${authority.commonName}`,
    ...validity,
    signingAlgorithm: ed25519,
    publicKey: await importPublic(key),
    signingKey: await signingKey(authority.key),
    extensions,
  });
  return `${certificate.toString("pem")}\n`;
}

const publicDer = (key: string): Buffer => createPublicKey(key).export({ format: "der", type: "spki" });

const importPublic = (key: string) =>
  webcrypto.subtle.importKey(
    "spki",
    publicDer(key),
    createPublicKey(key).asymmetricKeyType === "ec" ? { name: "ECDSA", namedCurve: "P-256" } : ed25519,
    true,
    ["verify"],
  );
