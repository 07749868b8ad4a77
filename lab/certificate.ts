import { webcrypto } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "../components/secrets/x509";
import { certificateProblems } from "../components/wire/tls";

/** The files of a lab's certificate, as an operator would bring them. */
export interface LabCertificate {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** What a browser has to trust; its key is kept nowhere. */
  readonly authorityFile: string;
}

// Browsers know no Ed25519.
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Browsers refuse a server's certificate that is valid for longer (CA/Browser Forum, ballot SC-22). */
const days = 397;

/** Where the certificate of a lab lies. */
export const certificateIn = (folder: string): LabCertificate => ({
  certificateFile: join(folder, "certificate.pem"),
  privateKeyFile: join(folder, "certificate.key"),
  authorityFile: join(folder, "authority.pem"),
});

/** A wildcard certificate for the lab's domain: the one that is there while it can be used, or a new one. */
export async function makeCertificate(folder: string, domain: string): Promise<LabCertificate> {
  const files = certificateIn(folder);
  if (isUsable(files, domain)) return files;
  const [authority, server] = await Promise.all([generateKeys(), generateKeys()]);
  const issuer = `CN=${domain} (authority of the lab)`;
  const root = await generate({
    subject: issuer,
    issuer,
    signer: authority.privateKey,
    publicKey: authority.publicKey,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  const leaf = await generate({
    subject: `CN=*.${domain}`,
    issuer,
    signer: authority.privateKey,
    publicKey: server.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([{ type: "dns", value: `*.${domain}` }]),
    ],
  });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(files.authorityFile, root);
  writeFileSync(files.certificateFile, leaf + root);
  writeFileSync(files.privateKeyFile, "", { mode: 0o600 });
  chmodSync(files.privateKeyFile, 0o600);
  const key = await webcrypto.subtle.exportKey("pkcs8", server.privateKey);
  writeFileSync(files.privateKeyFile, `${PemConverter.encode(key, "PRIVATE KEY")}\n`);
  return files;
}

/** Judged as the program will judge it. */
function isUsable(
  { certificateFile, privateKeyFile, authorityFile }: LabCertificate,
  domain: string,
): boolean {
  if (![certificateFile, privateKeyFile, authorityFile].every((file) => existsSync(file))) return false;
  const problems = certificateProblems({
    certificate: readFileSync(certificateFile, "utf8"),
    privateKey: readFileSync(privateKeyFile, "utf8"),
    names: [`webapp.${domain}`],
    now: new Date(),
  });
  return problems.length === 0;
}

const generateKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

interface Content {
  readonly subject: string;
  readonly issuer: string;
  readonly signer: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
  readonly extensions: Extension[];
}

async function generate({ signer, ...content }: Content): Promise<string> {
  const now = Date.now();
  const certificate = await X509CertificateGenerator.create({
    ...content,
    notBefore: new Date(now),
    notAfter: new Date(now + days * 24 * 60 * 60 * 1000),
    signingAlgorithm: algorithm,
    signingKey: signer,
  });
  return `${certificate.toString("pem")}\n`;
}
