import { generateKeyPairSync, type KeyObject, type webcrypto } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import * as x509 from "../../components/secrets/x509";
import { certificatesAlone } from "../../components/wire/certificate-file";
import { authorityFileProblems, certificateProblems, certificateWarning } from "../../components/wire/tls";

const names = ["webapp.wire.test", "sftd.wire.test"];
const now = new Date("2026-06-01T00:00:00Z");
const lastYear = new Date("2025-06-01T00:00:00Z");
const nextYear = new Date("2027-06-01T00:00:00Z");

interface Party {
  readonly name: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function certify(
  name: string,
  issuer: Party | undefined,
  { hosts = [] as readonly string[], notBefore = lastYear, notAfter = nextYear, ca = false },
): Promise<Party> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: `CN=${issuer?.name ?? name}`,
    notBefore,
    notAfter,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(ca, undefined, true),
      ...(hosts.length > 0
        ? [new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: "dns" as const, value })))]
        : []),
    ],
  });
  return { name, keys, certificate: `${certificate.toString("pem")}\n` };
}

const pemOf = async ({ keys }: Party): Promise<string> =>
  x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");

describe("a certificate of the operator's own", () => {
  let root: Party;
  let middle: Party;
  let stranger: Party;
  let leaf: Party;
  let key: string;
  const problems = (certificate: string, privateKey = key, wanted: readonly string[] = names) =>
    certificateProblems({ certificate, privateKey, names: wanted, now });

  beforeAll(async () => {
    root = await certify("Root", undefined, { ca: true });
    middle = await certify("Middle", root, { ca: true });
    stranger = await certify("Stranger", undefined, { ca: true });
    leaf = await certify("leaf", middle, { hosts: ["*.wire.test"] });
    key = await pemOf(leaf);
  });

  it("can be used with its whole chain", () => {
    expect(problems(leaf.certificate + middle.certificate + root.certificate)).toEqual([]);
  });

  it("has to cover every name", async () => {
    const one = await certify("one", root, { hosts: ["webapp.wire.test"] });
    expect(problems(one.certificate + root.certificate, await pemOf(one))).toEqual([
      "does not cover sftd.wire.test; it is for webapp.wire.test",
    ]);
  });

  it("covers one level with a wildcard, and nothing by its common name", async () => {
    expect(
      problems(leaf.certificate + middle.certificate + root.certificate, key, ["a.b.wire.test"]),
    ).toEqual(["does not cover a.b.wire.test; it is for *.wire.test"]);
    const nameless = await certify("webapp.wire.test", root, {});
    expect(
      problems(nameless.certificate + root.certificate, await pemOf(nameless), ["webapp.wire.test"]),
    ).toEqual(["does not cover webapp.wire.test; it is for no name at all"]);
  });

  it("is refused before and after its time, and so is an authority's", async () => {
    const late = await certify("late", root, { hosts: names, notBefore: new Date("2026-07-01T00:00:00Z") });
    expect(problems(late.certificate + root.certificate, await pemOf(late))).toEqual([
      "is not valid before Jul  1 00:00:00 2026 GMT (CN=late)",
    ]);
    const old = await certify("Old", root, { ca: true, notAfter: new Date("2026-05-01T00:00:00Z") });
    const child = await certify("child", old, { hosts: names });
    expect(problems(child.certificate + old.certificate + root.certificate, await pemOf(child))).toEqual([
      "has run out on May  1 00:00:00 2026 GMT (CN=Old)",
    ]);
  });

  it("is refused without the authority that has signed it", () => {
    expect(problems(leaf.certificate)).toEqual([
      "is not complete: append the certificate of CN=Middle, or clients that do not know it refuse the connection",
    ]);
    expect(problems(leaf.certificate + middle.certificate)).toEqual([
      "is not complete: append the certificate of CN=Root, or clients that do not know it refuse the connection",
    ]);
  });

  it("is refused with authorities in the wrong order, or of somebody else", () => {
    expect(problems(leaf.certificate + root.certificate + middle.certificate)).toEqual([
      "has its certificates in the wrong order, or one too many: CN=Root has not signed the one before it",
    ]);
    expect(problems(leaf.certificate + stranger.certificate)).toEqual([
      "has its certificates in the wrong order, or one too many: CN=Stranger has not signed the one before it",
    ]);
  });

  it("is refused where the authority comes first", async () => {
    expect(problems(root.certificate, await pemOf(root), [])).toEqual([
      "begins with the certificate of an authority; the server's own has to be the first",
    ]);
  });

  it("is refused with the key of another one, or one that cannot be read", async () => {
    const chain = leaf.certificate + middle.certificate + root.certificate;
    expect(problems(chain, await pemOf(root))).toEqual([
      "does not belong to the private key: its public key is another one",
    ]);
    const encrypted = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    }).privateKey as unknown as KeyObject & string;
    expect(problems(chain, encrypted)).toEqual([
      expect.stringMatching(/^has a private key that servers cannot use: it is encrypted, /),
    ]);
  });

  it("is refused where there is none, or a broken one", () => {
    expect(problems("")).toEqual(["holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"]);
    expect(problems(leaf.certificate.replace(/-----\n$/, "-------\n"))).toEqual([
      "has a line that belongs to no certificate in PEM: -----END CERTIFICATE-------",
    ]);
    expect(problems(key + leaf.certificate)).toEqual([
      "has a line that belongs to no certificate in PEM: -----BEGIN PRIVATE KEY-----",
    ]);
    expect(problems("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).toEqual([
      expect.stringMatching(
        /^holds something that is not a certificate, or was altered: number 1 in the file/,
      ),
    ]);
  });

  it("is warned about in its last two weeks", async () => {
    const at = (date: string) => certificateWarning(leaf.certificate, new Date(date));
    expect(at("2027-05-01T00:00:00Z")).toBeUndefined();
    expect(at("2027-05-22T00:00:00Z")).toBe("runs out in 10 days");
    expect(at("2027-06-02T00:00:00Z")).toBeUndefined();
  });
});

describe("a file of authorities", () => {
  const valid = { ca: true };
  const authorities = (text: string) => authorityFileProblems(text, now);

  it("has authorities that may sign now, and nothing else goes on", async () => {
    const root = await certify("Root", undefined, valid);
    const middle = await certify("Middle", root, valid);
    const text = `# of the others\r\n${root.certificate.replaceAll("\n", "\r\n")}text\n${middle.certificate}`;
    expect(authorities(text)).toEqual([]);
    expect(certificatesAlone(text)).toBe(root.certificate + middle.certificate);
  });

  it("is refused with each one that may not", async () => {
    const root = await certify("Root", undefined, valid);
    const leaf = await certify("leaf", root, { hosts: names });
    const old = await certify("Old", undefined, { ...valid, notAfter: new Date("2026-05-01T00:00:00Z") });
    const late = await certify("Late", undefined, { ...valid, notBefore: new Date("2026-07-01T00:00:00Z") });
    expect(authorities([root, leaf, old, late].map(({ certificate }) => certificate).join(""))).toEqual([
      "is no authority's, and may sign no other certificate (CN=leaf)",
      "has run out on May  1 00:00:00 2026 GMT (CN=Old)",
      "is not valid before Jul  1 00:00:00 2026 GMT (CN=Late)",
    ]);
    expect(authorities(root.certificate + (await pemOf(root)))).toEqual([
      "has a line that belongs to no certificate in PEM: -----BEGIN PRIVATE KEY-----",
    ]);
  });
});
