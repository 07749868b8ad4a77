import type { MeshSite } from "../config/mesh";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  ed25519,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  serialOf,
  signingKey,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from "../secrets/x509";

/**
 * Certificates of sites, as pure functions of keys, names and the month. Ed25519 signatures have no random part (RFC 8032), so that a
 * run in the same month gives the same bytes and changes nothing, and the first of the next one renews.
 */

const day = 24 * 3600 * 1000;

/** Days that a certificate holds, and after which a run renews it: one has 60 days left at least when it is made. */
const life = { holds: 90, renewed: 30 } as const;

/** The beginning of the month, of 30 days, that a moment lies in. */
const monthOf = (at: Date): number => Math.floor(at.getTime() / (life.renewed * day)) * life.renewed * day;

/** Who signs: certificate and key, both in PEM; the key is an Ed25519 one. */
export interface Authority {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * The certificate of a site, in PEM, for the key that a request of its gateway has. Zone and prefix are those of the stack, whatever
 * the request asks for.
 * @throws Error if the request is not signed by its own key.
 */
export async function issueCertificate(
  request: string,
  { zone, prefix }: Pick<MeshSite, "zone" | "prefix">,
  authority: Authority,
  at: Date,
): Promise<string> {
  const asked = new Pkcs10CertificateRequest(request);
  if (!(await asked.verify()))
    throw new Error(`the gateway of ${zone} asks for a certificate that its key did not sign`);
  const issuer = new X509Certificate(authority.certificate);
  const month = monthOf(at);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialOf([zone, prefix, Buffer.from(asked.publicKey.rawData), `${month}`]),
    subject: `CN=${zone}`,
    issuer: issuer.subject,
    // A day earlier for clocks that are behind.
    notBefore: new Date(month - day),
    notAfter: new Date(month + life.holds * day),
    signingAlgorithm: ed25519,
    publicKey: asked.publicKey,
    signingKey: await signingKey(authority.privateKey),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([
        { type: "dns", value: zone },
        { type: "url", value: `urn:wiab:mesh:${prefix}` },
      ]),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

/**
 * The authority's revocation list, in PEM. Its number follows from how many it has: whoever adds to the list gives a newer one,
 * which every site takes.
 * @param serials - Serial numbers of certificates, in hexadecimal digits.
 */
export async function issueRevocations(
  serials: readonly string[],
  authority: Authority,
  at: Date,
): Promise<string> {
  const month = new Date(monthOf(at));
  const list = await X509CrlGenerator.create({
    issuer: new X509Certificate(authority.certificate).subject,
    thisUpdate: month,
    nextUpdate: new Date(month.getTime() + life.holds * day),
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: month })),
    signingAlgorithm: ed25519,
    signingKey: await signingKey(authority.privateKey),
    // The CRL number (RFC 5280, section 5.2.3): a DER integer of two bytes, of which the first may not be zero.
    extensions: [
      new Extension(
        "2.5.29.20",
        false,
        Uint8Array.of(2, 2, 1 + (serials.length >> 8), serials.length & 0xff),
      ),
    ],
  });
  // The library's own label is another than that of RFC 7468, section 7.
  return `${PemConverter.encode(list.rawData, "X509 CRL")}\n`;
}
