import { createPrivateKey, X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { oneLine, readCertificates } from "./certificate-file";
import { authorityProblems, strengthProblems } from "./certificate-strength";

/** What a certificate is checked for. */
export interface CertificateCheck {
  /** Text of the certificate's file: the leaf first, then the authorities between it and the root. */
  readonly certificate: string;
  readonly privateKey: string;
  /** Names that it has to cover. */
  readonly names: readonly string[];
  readonly now: Date;
}

/** A certificate that runs out within these days is warned about. */
const warningDays = 14;

/** Days that Apple's systems let a server's certificate be valid for, whoever has signed it (HT210176). */
const appleDays = 825;

const day = 24 * 60 * 60 * 1000;

/** What is wrong with a certificate and its key, each in words that say what to do; nothing if both can be used. */
export function certificateProblems({ certificate, privateKey, names, now }: CertificateCheck): string[] {
  const chain = readCertificates(certificate);
  if (typeof chain === "string") return [chain];
  const [leaf, ...authorities] = chain as [X509Certificate, ...X509Certificate[]];
  return [
    ...nameProblems(leaf, names),
    ...chain.flatMap((one) => dateProblems(one, now)),
    ...(leaf.ca ? ["begins with the certificate of an authority; the server's own has to be the first"] : []),
    ...strengthProblems(chain),
    ...chainProblems(leaf, authorities),
    ...keyProblems(leaf, privateKey),
  ];
}

/** What is wrong with a file of authorities that others' certificates are checked by; nothing if it can be used. */
export function authorityFileProblems(text: string, now: Date): string[] {
  const found = readCertificates(text);
  return typeof found === "string"
    ? [found]
    : found.flatMap((one) => [...dateProblems(one, now), ...authorityProblems(one)]);
}

/** What is worth knowing of a certificate that can be used: that it runs out, or that some clients refuse it. */
export function certificateWarning(certificate: string, now: Date): string | undefined {
  const chain = readCertificates(certificate);
  if (typeof chain === "string" || !chain[0]) return undefined;
  const days = Math.floor(
    (Math.min(...chain.map(({ validTo }) => Date.parse(validTo))) - now.getTime()) / day,
  );
  if (days >= 0 && days < warningDays) return `runs out in ${days} days`;
  const lifetime = Math.round((Date.parse(chain[0].validTo) - Date.parse(chain[0].validFrom)) / day);
  return lifetime > appleDays
    ? `is valid for ${lifetime} days; iOS and macOS take ${appleDays} at most`
    : undefined;
}

/** The SHA-256 fingerprint of the certificate that the servers show, as OpenSSL writes it. */
export const fingerprintOf = (certificate: string): string => new X509Certificate(certificate).fingerprint256;

function nameProblems(leaf: X509Certificate, names: readonly string[]): string[] {
  // Not in the common name: browsers have not looked at that for years.
  const missing = names.filter(
    (name) => leaf.checkHost(name, { subject: "never", partialWildcards: false }) === undefined,
  );
  return missing.length > 0
    ? [
        `does not cover ${missing.join(", ")}; it is for ${leaf.subjectAltName?.replaceAll("DNS:", "") ?? "no name at all"}`,
      ]
    : [];
}

function dateProblems({ subject, validFrom, validTo }: X509Certificate, now: Date): string[] {
  const name = oneLine(subject);
  if (Date.parse(validFrom) > now.getTime()) return [`is not valid before ${validFrom} (${name})`];
  return Date.parse(validTo) < now.getTime() ? [`has run out on ${validTo} (${name})`] : [];
}

/** Each certificate has to be signed by the next, and the last one by itself or by a root that everybody knows. */
function chainProblems(leaf: X509Certificate, authorities: readonly X509Certificate[]): string[] {
  const chain = [leaf, ...authorities];
  const stranger = authorities.find(
    (authority, index) => !isSignedBy(chain[index] as X509Certificate, authority),
  );
  if (stranger)
    return [
      `has its certificates in the wrong order, or one too many: ${oneLine(stranger.subject)} has not signed the one before it`,
    ];
  const last = chain.at(-1) as X509Certificate;
  return isSignedBy(last, last) ||
    rootCertificates.some((root) => isSignedBy(last, new X509Certificate(root)))
    ? []
    : [
        `is not complete: append the certificate of ${oneLine(last.issuer)}, or clients that do not know it refuse the connection`,
      ];
}

const isSignedBy = (one: X509Certificate, authority: X509Certificate): boolean =>
  one.checkIssued(authority) && one.verify(authority.publicKey);

function keyProblems(leaf: X509Certificate, privateKey: string): string[] {
  try {
    return leaf.checkPrivateKey(createPrivateKey(privateKey))
      ? []
      : ["does not belong to the private key: its public key is another one"];
  } catch {
    return [
      "has a private key that servers cannot use: it is encrypted, in OpenSSH's own format, or no key in PEM; openssl pkey -noout -in FILE tries it",
    ];
  }
}
