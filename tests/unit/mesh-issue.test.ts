import { X509Certificate as NodeCertificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { type Authority, issueCertificate, issueRevocations } from "../../components/mesh/issue";
import {
  ExtendedKeyUsageExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  PublicKey,
  X509Certificate,
  X509Crl,
} from "../../components/secrets/x509";
import { certificateRequest, MeshAuthority } from "../fixtures/mesh-authority";

const site = { zone: "a.pmd.internal", prefix: "fd51:0:0:a::/64" };
const day = 24 * 3600 * 1000;
/** The first moment of a month of 30 days. */
const month = 700 * 30 * day;
const at = (days: number) => new Date(month + days * day);

let authority: Authority;
let request: string;
let publicKey: string;

async function ask() {
  const asked = await certificateRequest();
  return { text: asked.toString("pem"), publicKey: asked.publicKey.toString("base64") };
}

beforeAll(async () => {
  const made = await MeshAuthority.make("mesh");
  authority = { certificate: made.certificate, privateKey: await made.privateKey() };
  ({ text: request, publicKey } = await ask());
});

const issue = (when: Date, asked = request) => issueCertificate(asked, site, authority, when);

describe("the certificate that a stack gives its gateway", () => {
  it("is the authority's, for the gateway's key, and for zone and prefix of the stack alone", async () => {
    const pem = await issue(at(3));
    const own = new NodeCertificate(pem);
    const root = new NodeCertificate(authority.certificate);
    expect(own.checkIssued(root) && own.verify(root.publicKey)).toBe(true);
    expect(own.subjectAltName).toBe(`DNS:${site.zone}, URI:urn:wiab:mesh:${site.prefix}`);
    expect(own.ca).toBe(false);
    const parsed = new X509Certificate(pem);
    expect(parsed.publicKey.toString("base64")).toBe(publicKey);
    expect(parsed.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual([
      "1.3.6.1.5.5.7.3.1",
      "1.3.6.1.5.5.7.3.2",
    ]);
  });

  it("is the same for 30 days, and then another that has 60 days left at least", async () => {
    const first = await issue(at(0));
    expect(await issue(at(29.9))).toBe(first);
    const next = await issue(at(30));
    expect(next).not.toBe(first);
    const [one, other] = [first, next].map((pem) => new X509Certificate(pem));
    expect(other?.serialNumber).not.toBe(one?.serialNumber);
    expect(one?.notBefore).toEqual(at(-1));
    expect(one?.notAfter).toEqual(at(90));
  });

  it("has another number for another key", async () => {
    const serial = (pem: string) => new X509Certificate(pem).serialNumber;
    const other = await ask();
    expect(serial(await issue(at(0), other.text))).not.toBe(serial(await issue(at(0))));
  });

  it("is refused for a key that has not signed the request", async () => {
    const der = new Uint8Array(new Pkcs10CertificateRequest(request).rawData);
    const key = new Uint8Array(new PublicKey((await ask()).publicKey).rawData);
    const place = Buffer.from(der).indexOf(Buffer.from(publicKey, "base64"));
    expect(place).toBeGreaterThan(0);
    der.set(key, place);
    const forged = new Pkcs10CertificateRequest(der).toString("pem");
    await expect(issue(at(0), forged)).rejects.toThrow(/a\.pmd\.internal asks .* its key did not sign/);
  });
});

describe("the revocation list that a stack makes", () => {
  const numberOf = (list: X509Crl) =>
    Buffer.from(list.getExtension("2.5.29.20")?.value ?? new ArrayBuffer(0)).toString("hex");
  const issued = (serials: string[]) => issueRevocations(serials, authority, at(1));
  const make = async (serials: string[]) => new X509Crl(PemConverter.decodeFirst(await issued(serials)));

  it("is signed by the authority and names what is revoked", async () => {
    expect(await issued(["4a01", "4b02"])).toMatch(/^-----BEGIN X509 CRL-----\n/);
    const list = await make(["4a01", "4b02"]);
    expect(await list.verify({ publicKey: new X509Certificate(authority.certificate) })).toBe(true);
    expect(list.entries.map(({ serialNumber }) => serialNumber)).toEqual(["4a01", "4b02"]);
  });

  it("has a higher number with each entry, across the border of a byte too", async () => {
    const serials = Array.from({ length: 257 }, (_, index) => (0x4000 + index).toString(16));
    const numbers = await Promise.all(
      [1, 2, 255, 256, 257].map(async (count) => numberOf(await make(serials.slice(0, count)))),
    );
    expect(numbers).toEqual(["02020101", "02020102", "020201ff", "02020200", "02020201"]);
  });
});
