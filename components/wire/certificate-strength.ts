import type { X509Certificate } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as Parsed,
} from "../secrets/x509";

/** Bits of an RSA key: browsers take no fewer (CA/Browser Forum), Go's TLS takes no more. */
const rsaBits = { least: 2048, most: 8192 } as const;

/** Curves that browsers take in a server's certificate, and those in an authority's, by OpenSSL's names. */
const serverCurves = ["prime256v1", "secp384r1"];
const authorityCurves = [...serverCurves, "secp521r1"];

const serverAuthentication = "1.3.6.1.5.5.7.3.1";
const anyUsage = "2.5.29.37.0";

/**
 * What browsers, Go and the ingress controller refuse in certificates that are otherwise in order.
 * @param chain the server's own first, then the authorities.
 */
export function strengthProblems(chain: readonly X509Certificate[]): string[] {
  return chain.flatMap((certificate, index) => {
    const name = certificate.subject.replaceAll("\n", ", ");
    const problems = [
      ...keyProblems(certificate, index > 0),
      ...signatureProblems(certificate),
      ...usageProblems(certificate, index),
      ...(certificate.serialNumber.startsWith("-") ? ["has a negative serial number"] : []),
    ];
    return problems.map((problem) => (index === 0 ? problem : `${problem} (${name})`));
  });
}

function keyProblems({ publicKey }: X509Certificate, isAuthority: boolean): string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (type === "rsa") {
    const bits = details?.modulusLength ?? 0;
    return bits < rsaBits.least || bits > rsaBits.most
      ? [`has an RSA key of ${bits} bits; clients take ${rsaBits.least} to ${rsaBits.most}`]
      : [];
  }
  if (type === "ec") {
    const curves = isAuthority ? authorityCurves : serverCurves;
    const curve = details?.namedCurve ?? "unknown";
    return curves.includes(curve)
      ? []
      : [`has a key on the curve ${curve}; browsers take ${curves.join(", ")}`];
  }
  return [`has a key of the type ${type}, which browsers do not take; use RSA or ECDSA (P-256, P-384)`];
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
    return problems;
  }
  const { ca, pathLength } = parsed.getExtension(BasicConstraintsExtension) ?? { ca: false };
  if (!ca || (usages !== undefined && !(usages & KeyUsageFlags.keyCertSign)))
    problems.push("is no authority's, and may sign no other certificate");
  // The server's own does not count (RFC 5280, 4.2.1.9).
  else if (pathLength !== undefined && index - 1 > pathLength)
    problems.push(`may have ${pathLength} authorities below it, and has ${index - 1}`);
  return problems;
}

const parse = (certificate: X509Certificate): Parsed => new Parsed(certificate.raw);
