import type { X509Certificate } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as Parsed,
  SubjectAlternativeNameExtension,
} from "../secrets/x509";
import { oneLine } from "./certificate-file";
import { constrainedNames } from "./name-constraints";

/** Bits of an RSA key: browsers take no fewer (CA/Browser Forum), Go's TLS takes no more. */
const rsaBits = { least: 2048, most: 8192 } as const;

/** Curves that browsers take in a server's certificate, and those in an authority's, by OpenSSL's names. */
const serverCurves = ["prime256v1", "secp384r1"];
const authorityCurves = [...serverCurves, "secp521r1"];

const serverAuthentication = "1.3.6.1.5.5.7.3.1";
const anyUsage = "2.5.29.37.0";

/** Object identifiers of extensions (RFC 5280, RFC 7633). */
const nameConstraints = "2.5.29.30";
const tlsFeature = "1.3.6.1.5.5.7.1.24";

/** Those that Go and OpenSSL both act by where they are critical; of any other one they refuse the certificate. */
const knownExtensions = [
  ...["2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", nameConstraints],
  ...["2.5.29.31", "2.5.29.32", "2.5.29.35", "2.5.29.37", tlsFeature],
];

/**
 * What browsers, Go and the ingress controller refuse in certificates that are otherwise in order.
 * @param chain the server's own first, then the authorities.
 */
export function strengthProblems(chain: readonly X509Certificate[]): string[] {
  return chain.flatMap((certificate, index) => {
    const problems = [
      ...keyProblems(certificate, index > 0 ? authorityCurves : serverCurves),
      ...formProblems(certificate),
      ...usageProblems(certificate, index),
      ...constraintProblems(certificate, chain, index),
    ];
    return index === 0 ? problems : problems.map(named(certificate));
  });
}

/** The same of a certificate that no browser has to take: it may have an Ed25519 key. */
export function machineProblems(certificate: X509Certificate): string[] {
  const isEd25519 = certificate.publicKey.asymmetricKeyType === "ed25519";
  return [...(isEd25519 ? [] : keyProblems(certificate, authorityCurves)), ...formProblems(certificate)].map(
    named(certificate),
  );
}

/** The same of an authority that the certificates of other machines are checked by. */
export const authorityProblems = (certificate: X509Certificate): string[] => [
  ...machineProblems(certificate),
  ...signingProblems(parse(certificate)).map(named(certificate)),
];

const named =
  ({ subject }: X509Certificate) =>
  (problem: string): string =>
    `${problem} (${oneLine(subject)})`;

function keyProblems({ publicKey }: X509Certificate, curves: readonly string[]): string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (type === "rsa") {
    const bits = details?.modulusLength ?? 0;
    return bits < rsaBits.least || bits > rsaBits.most
      ? [`has an RSA key of ${bits} bits; clients take ${rsaBits.least} to ${rsaBits.most}`]
      : [];
  }
  if (type === "ec") {
    const curve = details?.namedCurve ?? "unknown";
    return curves.includes(curve)
      ? []
      : [`has a key on the curve ${curve}; browsers take ${curves.join(", ")}`];
  }
  return [`has a key of the type ${type}, which browsers do not take; use RSA or ECDSA (P-256, P-384)`];
}

/** What is wrong with any certificate, whatever it is for. */
function formProblems(certificate: X509Certificate): string[] {
  const unknown = parse(certificate).extensions.find(
    ({ critical, type }) => critical && !knownExtensions.includes(type),
  );
  return [
    ...signatureProblems(certificate),
    ...(certificate.serialNumber.startsWith("-") ? ["has a negative serial number"] : []),
    ...(unknown
      ? [`has the critical extension ${unknown.type}, which servers and clients do not know and so refuse`]
      : []),
  ];
}

function signatureProblems(certificate: X509Certificate): string[] {
  // Nobody looks at the signature of a root.
  if (certificate.ca && certificate.checkIssued(certificate)) return [];
  // The library's type leaves the name out, which every algorithm of Web Crypto has.
  const algorithm: { readonly hash?: unknown; readonly name?: unknown } =
    parse(certificate).signatureAlgorithm;
  const hash = String((algorithm.hash as { name: string } | undefined)?.name ?? algorithm.name);
  return /^SHA-(256|384|512)$|^Ed/.test(hash)
    ? []
    : [`is signed with ${hash}, which clients do not trust; ask for SHA-256`];
}

function usageProblems(certificate: X509Certificate, index: number): string[] {
  const parsed = parse(certificate);
  const purposes = parsed.getExtension(ExtendedKeyUsageExtension)?.usages.map(String);
  const usages = parsed.getExtension(KeyUsagesExtension)?.usages;
  const isRoot = index > 0 && certificate.checkIssued(certificate);
  const problems: string[] = [];
  if (!isRoot && purposes && !purposes.includes(serverAuthentication) && !purposes.includes(anyUsage))
    problems.push(
      "is not for servers: its extended key usage lacks serverAuth (a client's certificate, or one for mail or code)",
    );
  if (index === 0) {
    if (usages !== undefined && !(usages & KeyUsageFlags.digitalSignature))
      problems.push("may not sign handshakes: its key usage lacks digitalSignature");
    if (parsed.getExtension(tlsFeature))
      problems.push(
        "demands an OCSP answer in each handshake (must-staple), which the ingress controller does not give: ask for one without",
      );
    return problems;
  }
  const pathLength = parsed.getExtension(BasicConstraintsExtension)?.pathLength;
  const ofSigning = signingProblems(parsed);
  problems.push(...ofSigning);
  // The server's own does not count (RFC 5280, 4.2.1.9).
  if (ofSigning.length === 0 && pathLength !== undefined && index - 1 > pathLength)
    problems.push(`may have ${pathLength} authorities below it, and has ${index - 1}`);
  return problems;
}

function signingProblems(parsed: Parsed): string[] {
  const usages = parsed.getExtension(KeyUsagesExtension)?.usages;
  const maySign = usages === undefined || usages & KeyUsageFlags.keyCertSign;
  return parsed.getExtension(BasicConstraintsExtension)?.ca && maySign
    ? []
    : ["is no authority's, and may sign no other certificate"];
}

function constraintProblems(
  certificate: X509Certificate,
  [leaf]: readonly X509Certificate[],
  index: number,
): string[] {
  const constraints = parse(certificate).getExtension(nameConstraints);
  if (index === 0 || !leaf || !constraints) return [];
  const names = parse(leaf).getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const left = constrainedNames(
    Buffer.from(constraints.value),
    names.filter(({ type }) => type === "dns").map(({ value }) => value),
  );
  return left.length > 0 ? [`may not sign for ${left.join(", ")}: its name constraints leave that out`] : [];
}

const parse = (certificate: X509Certificate): Parsed => new Parsed(certificate.raw);
