import { createHash, createPublicKey, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "../../secrets/x509";
import { signDeterministically } from "./ecdsa";

/**
 * The authorities of a cluster and its administrator's certificate, as pure functions of P-256 keys (PEM of PKCS#8).
 * kubeadm takes RSA and ECDSA alone, so the stack's own authority, which is Ed25519, cannot be a cluster's.
 */

/** As long as the stack's own authority: what the nodes show, kubeadm makes for a year and the nodes renew. */
const validity = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2056-01-01T00:00:00Z") };

/** Whom a certificate is for. */
export interface Subject {
  readonly commonName: string;
  /** Its group, for Kubernetes. @default none */
  readonly organization?: string;
}

/** An authority that signs. */
export interface Signer {
  readonly subject: Subject;
  readonly key: string;
}

/** The certificate of an authority, in PEM, signed by itself. */
export async function authority({ subject, key }: Signer): Promise<string> {
  return generate(subject, key, { subject, key }, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(
      KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment | KeyUsageFlags.keyCertSign,
      true,
    ),
    await SubjectKeyIdentifierExtension.create(await importPublic(key)),
  ]);
}

/** The certificate of a client, in PEM. */
export const clientCertificate = (subject: Subject, key: string, signer: Signer): Promise<string> =>
  generate(subject, key, signer, [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
  ]);

/** The public key of a private one, in PEM. */
export const publicPem = (key: string): string =>
  createPublicKey(key).export({ format: "pem", type: "spki" }).toString();

async function generate(
  subject: Subject,
  key: string,
  signer: Signer,
  extensions: Extension[],
): Promise<string> {
  const parts = [name(subject), name(signer.subject), publicPem(key)];
  const serial = createHash("sha256").update(
    parts.concat(extensions.map(({ rawData }) => Buffer.from(rawData).toString("hex"))).join("\n"),
  );
  const content = {
    // Positive, and another one for another content (RFC 5280, section 4.1.2.2).
    serialNumber: `4${serial.digest("hex").slice(1, 32)}`,
    subject: name(subject),
    issuer: name(signer.subject),
    ...validity,
    signingAlgorithm: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
    publicKey: await importPublic(key),
    extensions,
  };
  // The library signs with a random number, or takes a signature as it is: so the content is made first.
  const unsigned = await X509CertificateGenerator.create({ ...content, signature: new Uint8Array(64) });
  const signature = signDeterministically(signer.key, signedPart(Buffer.from(unsigned.rawData)));
  return `${(await X509CertificateGenerator.create({ ...content, signature })).toString("pem")}\n`;
}

const name = ({ commonName, organization }: Subject): string =>
  `${organization ? `O=${organization},` : ""}CN=${commonName}`;

const importPublic = (key: string) =>
  webcrypto.subtle.importKey(
    "spki",
    createPublicKey(key).export({ format: "der", type: "spki" }),
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["verify"],
  );

/** The first element of the sequence that a certificate is (RFC 5280, section 4.1; DER). */
function signedPart(certificate: Buffer): Buffer {
  const start = header(certificate, 0).end;
  const { end, length } = header(certificate, start);
  return certificate.subarray(start, end + length);
}

/** Where the header of an element of DER ends, and how many bytes follow it. */
function header(der: Buffer, at: number): { readonly end: number; readonly length: number } {
  const first = der.readUInt8(at + 1);
  const bytes = first & 0x80 ? first & 0x7f : 0;
  return { end: at + 2 + bytes, length: bytes ? der.readUIntBE(at + 2, bytes) : first };
}
