import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { authority, clientCertificate } from "../../components/kubernetes/pki/certificates";
import { signDeterministically } from "../../components/kubernetes/pki/ecdsa";
import { ecdsaFromRandom, pkcs8Pem } from "../../components/secrets/keys";

const keyOf = (name: string) => pkcs8Pem(ecdsaFromRandom("P-256", Buffer.alloc(40, name)));

describe("signatures", () => {
  // RFC 6979, appendix A.2.5; keys are numbers modulo order − 1, plus 1.
  const secret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
  const key = pkcs8Pem(
    ecdsaFromRandom("P-256", Buffer.from((BigInt(`0x${secret}`) - 1n).toString(16).padStart(80, "0"), "hex")),
  );
  it.each([
    [
      "sample",
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
      "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ],
    [
      "test",
      "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
      "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ],
  ])("of %j are those of RFC 6979", (message, r, s) => {
    expect(signDeterministically(key, Buffer.from(message)).toString("hex")).toBe(r + s);
  });

  it("hold before somebody else's implementation", () => {
    for (let i = 0; i < 50; i++) {
      const message = Buffer.from(`message ${i}`);
      const signature = signDeterministically(keyOf("k"), message);
      const check = { key: createPublicKey(keyOf("k")), dsaEncoding: "ieee-p1363" } as const;
      expect(verify("sha256", message, check, signature)).toBe(true);
    }
  });
});

describe("certificates of a cluster", () => {
  const signer = { subject: { commonName: "kubernetes" }, key: keyOf("authority") };
  const admin = { commonName: "wiab", organization: "kubeadm:cluster-admins" };
  let root: X509Certificate;
  let leaf: X509Certificate;
  beforeAll(async () => {
    root = new X509Certificate(await authority(signer));
    leaf = new X509Certificate(await clientCertificate(admin, keyOf("admin"), signer));
  });

  it("are the same at every run", async () => {
    expect(await authority(signer)).toBe(`${root.toString().trimEnd()}\n`);
    expect(await clientCertificate(admin, keyOf("admin"), signer)).toBe(`${leaf.toString().trimEnd()}\n`);
  });

  it("form a chain from an authority to a client", () => {
    expect(root.ca).toBe(true);
    expect(root.checkIssued(root) && root.verify(root.publicKey)).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(root) && leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.subject.split("\n")).toEqual(["O=kubeadm:cluster-admins", "CN=wiab"]);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
  });
});
