import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { unzipSync } from "fflate";
import type { MeshConfiguration } from "../config/mesh-schema";
import { X509Crl } from "../secrets/x509";
import { readCertificates } from "../wire/certificate-file";
import { authorityFileProblems } from "../wire/tls";

/** Who a site is, as the operator's files have it; PEM throughout. */
export type FoundIdentity = {
  /** Certificates of the authorities that sites are believed by. */
  readonly authority: string;
} & ({ readonly certificate: string; readonly privateKey: string } | { readonly authorityKey: string });

/** How files on the workstation are read; each throws an Error that says why it cannot. */
export interface IdentityFiles {
  readonly readText: (path: string) => string;
  /** Reads a file that nobody but its owner may read. */
  readonly readSecret: (path: string) => Uint8Array;
  /** Why a file cannot be used as one that is its owner's secret; undefined if it can. */
  readonly keyFileProblem: (path: string) => string | undefined;
}

type Key = keyof MeshConfiguration["identity"];

/** What is wrong with one of the keys of `mesh.identity`. */
export class IdentityError extends Error {
  constructor(
    readonly key: Key | undefined,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Reads who a site is from what its configuration names.
 * @throws IdentityError naming the key that is wrong.
 */
export function readIdentity(identity: MeshConfiguration["identity"], files: IdentityFiles): FoundIdentity {
  const kinds = (["zipFile", "privateKeyFile", "authorityKeyFile"] as const).filter((key) => identity[key]);
  if (kinds.length !== 1)
    throw new IdentityError(
      undefined,
      `must have one of zipFile, privateKeyFile and authorityKeyFile, has ${kinds.join(" and ") || "none"}`,
    );
  const [kind = "zipFile"] = kinds;
  for (const [key, needs] of [
    ["certificateFile", "privateKeyFile"],
    ["revoked", "authorityKeyFile"],
  ] as const)
    if (identity[key]?.length && kind !== needs)
      throw new IdentityError(key, `is of no use without ${needs}`);
  if (identity.revocationsFile && kind === "authorityKeyFile")
    throw new IdentityError("revocationsFile", "is of no use with authorityKeyFile: revoked has the list");
  return readers[kind](identity, files);
}

const readers = {
  zipFile: readZip,
  privateKeyFile: (identity: MeshConfiguration["identity"], files: IdentityFiles): FoundIdentity => ({
    certificate: certificatesIn(text("certificateFile", identity, files), "certificateFile").join(""),
    privateKey: secret("privateKeyFile", identity, files),
    authority: authorityOf(identity, files),
  }),
  authorityKeyFile(identity: MeshConfiguration["identity"], files: IdentityFiles): FoundIdentity {
    const authorityKey = secret("authorityKeyFile", identity, files);
    const authority = authorityOf(identity, files);
    let key: KeyObject;
    try {
      key = createPrivateKey(authorityKey);
    } catch {
      throw new IdentityError("authorityKeyFile", "holds no private key in PEM");
    }
    if (key.asymmetricKeyType !== "ed25519")
      throw new IdentityError(
        "authorityKeyFile",
        `is a key of ${key.asymmetricKeyType}; a signature of it differs each time, so that every run would change the certificate: take an Ed25519 one`,
      );
    if (!new X509Certificate(authority).checkPrivateKey(key))
      throw new IdentityError("authorityKeyFile", "is no key of the first certificate in authorityFile");
    return { authority, authorityKey };
  },
} as const;

function text(
  key: Exclude<Key, "revoked">,
  identity: MeshConfiguration["identity"],
  files: IdentityFiles,
): string {
  const path = identity[key];
  if (path === undefined) throw new IdentityError(key, "is missing");
  try {
    return files.readText(path);
  } catch (error) {
    throw new IdentityError(key, (error as Error).message);
  }
}

function secret(
  key: "privateKeyFile" | "authorityKeyFile",
  identity: MeshConfiguration["identity"],
  files: IdentityFiles,
): string {
  const problem = files.keyFileProblem(identity[key] ?? "");
  if (problem) throw new IdentityError(key, problem);
  return text(key, identity, files);
}

function authorityOf(identity: MeshConfiguration["identity"], files: IdentityFiles): string {
  return authoritiesIn(text("authorityFile", identity, files), "authorityFile");
}

/** Authorities alone, of a text in which nothing else may be. @throws IdentityError for `key` if one is of no use. */
function authoritiesIn(found: string, key: Key): string {
  const problems = authorityFileProblems(found, new Date());
  if (problems.length > 0) throw new IdentityError(key, problems.join("; "));
  return certificatesIn(found, key).join("");
}

/**
 * The certificates in a text, in order; as texts they are blocks of PEM.
 * @throws IdentityError for `key` if there are none, or one of them cannot be read.
 */
export function certificatesIn(found: string, key: Key): X509Certificate[] {
  const certificates = readCertificates(found);
  if (typeof certificates === "string") throw new IdentityError(key, certificates);
  return certificates;
}

/**
 * The revocation lists of a file alone, in PEM.
 * @throws IdentityError if there is none, one cannot be read, or anything else is in the file.
 */
export function revocationsIn(found: string): string {
  const lists = blocks(found);
  const fail = (message: string): never => {
    throw new IdentityError("revocationsFile", message);
  };
  if (lists.length === 0) fail("holds no revocation list in PEM");
  if (lists.some((block) => !block.startsWith("-----BEGIN X509 CRL-----")))
    fail("holds something else than revocation lists (-----BEGIN X509 CRL-----)");
  try {
    return lists.map((block) => `${new X509Crl(block).toString("pem")}\n`).join("");
  } catch {
    return fail("holds a revocation list that cannot be read, or was altered");
  }
}

const blocks = (entry: string): string[] =>
  entry.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g) ?? [];

/** A ZIP as an authority sends it: one private key, its certificate, and any of the authorities'. Names do not matter. */
function readZip(identity: MeshConfiguration["identity"], files: IdentityFiles): FoundIdentity {
  const fail = (message: string): never => {
    throw new IdentityError("zipFile", message);
  };
  let bytes: Uint8Array;
  try {
    bytes = files.readSecret(identity.zipFile ?? "");
  } catch (error) {
    return fail((error as Error).message);
  }
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (error) {
    return fail(`cannot be unpacked: ${(error as Error).message}`);
  }
  const found = Object.values(entries).flatMap((entry) => blocks(new TextDecoder("latin1").decode(entry)));
  const keys = found.filter((block) => block.includes("PRIVATE KEY-----"));
  if (keys.length !== 1) fail(`must hold one private key in PEM, holds ${keys.length}`);
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(keys[0] ?? "");
  } catch {
    fail("holds a private key that is encrypted or cannot be read");
  }
  const isCertificate = (block: string) => block.startsWith("-----BEGIN CERTIFICATE-----");
  const certificates = certificatesIn(found.filter(isCertificate).join("\n"), "zipFile");
  const own = certificates.find((one) => key && one.checkPrivateKey(key));
  if (!own || !key) return fail("holds no certificate for its private key");
  const withAuthorities = certificates.filter(({ ca }) => ca).join("");
  const authorities = withAuthorities === "" ? "" : authoritiesIn(withAuthorities, "zipFile");
  if (authorities === "" && identity.authorityFile === undefined)
    throw new IdentityError("authorityFile", "is missing: the ZIP holds no authority's certificate");
  return {
    // Those between it and the authority stand behind it.
    certificate: `${own}${identity.authorityFile ? authorities : ""}`,
    privateKey: key.export({ type: "pkcs8", format: "pem" }) as string,
    authority: identity.authorityFile ? authorityOf(identity, files) : authorities,
  };
}
