import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { certificateProblems, certificateWarning } from "../../components/wire/tls";

const folder = mkdtempSync(join(tmpdir(), "wiab-strength-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Wanted {
  /** What `openssl genpkey` makes. */
  readonly key?: readonly string[];
  readonly hash?: string;
  readonly extensions?: readonly string[];
  readonly authority?: readonly string[];
  readonly serial?: string;
  readonly days?: number;
}

const p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const rsa = (bits: number) => ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
const server = ["basicConstraints=critical,CA:FALSE", "subjectAltName=DNS:*.wire.test"];

const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });

/** A server's certificate with its authority's behind it, as OpenSSL makes them, and the server's key. */
function made(wanted: Wanted) {
  openssl("genpkey", ...p256, "-out", "ca.key");
  const authority = wanted.authority ?? [
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign",
  ];
  // Without these, OpenSSL's own configuration would add some.
  writeFileSync(join(folder, "empty.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n");
  const request = ["req", "-config", "empty.cnf", "-new"];
  openssl(
    ...request,
    ...["-x509", "-key", "ca.key", "-subj", "/CN=Authority", "-days", "30", "-out", "ca.pem"],
    ...authority.flatMap((line) => ["-addext", line]),
  );
  openssl("genpkey", ...(wanted.key ?? p256), "-out", "leaf.key");
  openssl(...request, "-key", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr");
  writeFileSync(join(folder, "ext"), (wanted.extensions ?? server).join("\n"));
  openssl(
    ...["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-extfile", "ext"],
    ...["-set_serial", wanted.serial ?? "1", "-days", `${wanted.days ?? 30}`, `-${wanted.hash ?? "sha256"}`],
    ...["-out", "leaf.pem"],
  );
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { certificate: read("leaf.pem") + read("ca.pem"), privateKey: read("leaf.key") };
}

const problems = (wanted: Wanted, change = (text: string) => text) => {
  const { certificate, privateKey } = made(wanted);
  return certificateProblems({
    certificate: change(certificate),
    privateKey,
    names: ["webapp.wire.test"],
    now: new Date(),
  });
};

describe("a certificate that clients take", () => {
  it.each<[string, Wanted]>([
    ["P-256", {}],
    ["P-384", { key: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], hash: "sha384" }],
    ["RSA of 2048 bits", { key: rsa(2048) }],
    ["for servers and clients", { extensions: [...server, "extendedKeyUsage=serverAuth,clientAuth"] }],
    [
      "of an authority for its domain alone",
      {
        authority: ["basicConstraints=critical,CA:TRUE", "nameConstraints=critical,permitted;DNS:wire.test"],
      },
    ],
    [
      "of an authority that leaves another domain and addresses out",
      {
        authority: [
          "basicConstraints=critical,CA:TRUE",
          "nameConstraints=critical,excluded;DNS:ire.test,excluded;IP:10.0.0.0/255.0.0.0",
        ],
      },
    ],
    ["that may sign", { extensions: [...server, "keyUsage=digitalSignature,keyEncipherment"] }],
  ])("%s", (_name, wanted) => expect(problems(wanted)).toEqual([]));

  it("may have lines that end as Windows ends them", () => {
    expect(problems({}, (text) => text.replaceAll("\n", "\r\n"))).toEqual([]);
  });
});

describe("a certificate that they refuse", () => {
  it.each<[string, Wanted, RegExp]>([
    ["RSA of 1024 bits", { key: rsa(1024) }, /^has an RSA key of 1024 bits; clients take 2048 to 8192$/],
    ["P-521", { key: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"] }, /on the curve secp521r1/],
    [
      "secp256k1",
      { key: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"] },
      /curve secp256k1/,
    ],
    ["Ed25519", { key: ["-algorithm", "ED25519"] }, /of the type ed25519/],
    [
      "RSA-PSS alone",
      { key: ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"] },
      /of the type rsa-pss/,
    ],
    ["SHA-1", { hash: "sha1" }, /^is signed with SHA-1, which clients do not trust/],
    ["SHA-224", { hash: "sha224" }, /^is signed with .*, which clients do not trust/],
    ["a client's", { extensions: [...server, "extendedKeyUsage=clientAuth"] }, /lacks serverAuth/],
    ["one for mail", { extensions: [...server, "extendedKeyUsage=emailProtection"] }, /lacks serverAuth/],
    ["that may not sign", { extensions: [...server, "keyUsage=keyEncipherment"] }, /lacks digitalSignature/],
    ["a negative serial number", { serial: "-5" }, /negative serial number/],
    [
      "an authority that is none",
      { authority: ["basicConstraints=CA:FALSE"] },
      /is no authority's.*\(CN=Authority\)/,
    ],
    [
      "an authority that may not sign",
      { authority: ["basicConstraints=critical,CA:TRUE", "keyUsage=digitalSignature"] },
      /is no authority's/,
    ],
    [
      "a stapled answer that nobody gives",
      { extensions: [...server, "tlsfeature=status_request"] },
      /must-staple/,
    ],
    [
      "an unknown critical extension",
      { extensions: [...server, "1.2.3.4=critical,ASN1:UTF8String:x"] },
      /^has the critical extension 1\.2\.3\.4, which/,
    ],
    [
      "an authority for another domain",
      {
        authority: ["basicConstraints=critical,CA:TRUE", "nameConstraints=critical,permitted;DNS:other.test"],
      },
      /^may not sign for \*\.wire\.test: its name constraints leave that out \(CN=Authority\)$/,
    ],
    [
      "an authority for all but the domain",
      { authority: ["basicConstraints=critical,CA:TRUE", "nameConstraints=critical,excluded;DNS:wire.test"] },
      /^may not sign for \*\.wire\.test/,
    ],
    [
      "a wildcard within a label",
      { extensions: ["basicConstraints=CA:FALSE", "subjectAltName=DNS:web*.wire.test"] },
      /^does not cover webapp.wire.test/,
    ],
  ])("%s", (_name, wanted, message) => {
    expect(problems(wanted)).toContainEqual(expect.stringMatching(message));
  });

  it("a byte order mark before the first block, with the command that takes it off", () => {
    const [problem, ...others] = problems({}, (text) => `\uFEFF${text}`);
    expect(others).toEqual([]);
    expect(problem).toMatch(/^begins with a byte order mark.*sed -i '1s/);
  });

  it("does not show a key that was put in its place, however its lines end", () => {
    const [problem] = problems({}, (text) => `-----BEGIN PRIVATE KEY-----\rc2VjcmV0\r${text}`);
    expect(problem).toMatch(/belongs to no certificate/);
    expect(problem).not.toContain("c2VjcmV0");
  });

  it("is warned about where Apple's systems alone refuse it", () => {
    const { certificate } = made({ days: 900 });
    // The authority's own 30 days are not the point.
    const [leaf = ""] = certificate.split(/(?<=-----END CERTIFICATE-----\n)/);
    expect(certificateWarning(leaf, new Date())).toBe(
      "is valid for 900 days; iOS and macOS take 825 at most",
    );
  });
});
