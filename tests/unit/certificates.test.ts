import { createHash, createPrivateKey, createPublicKey, webcrypto, X509Certificate } from "node:crypto";
import { type AddressInfo, isIP } from "node:net";
import { connect, createServer } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import { authorityCertificate, serverCertificate } from "../../components/secrets/certificates";
import { ed25519FromSeed, pkcs8Pem } from "../../components/secrets/keys";
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from "../../components/secrets/x509";

const keyOf = (name: string) => pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, name)));
const authority = { commonName: "wire.example.com", key: keyOf("authority") };
const names = {
  commonName: "assethost.wire.example.com",
  dnsNames: ["assethost", "assethost.wire.example.com"],
  addresses: ["192.168.122.10", "127.0.0.1"],
};

let root: string;
let leaf: string;
beforeAll(async () => {
  root = await authorityCertificate(authority.key, authority.commonName);
  leaf = await serverCertificate(keyOf("server"), names, authority);
});

/** Connects to a server with this identity as its clients do; gives what they find wrong with it, or nothing. */
async function objection(identity: { key: string; cert: string }, ca: string, name: string): Promise<string> {
  const certificate = new X509Certificate(identity.cert);
  const checkServerIdentity = () =>
    (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name, { subject: "never" }))
      ? undefined
      : new Error("another name");
  const server = createServer(identity).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", ca, checkServerIdentity });
  try {
    return await new Promise((resolve) => {
      socket.once("secureConnect", () => resolve(""));
      socket.once("error", (error) => resolve(error.message));
    });
  } finally {
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}
const sum = (text: string) => createHash("sha256").update(text).digest("hex");

describe("certificates", () => {
  it("are the same for the same input, in every version of this program", async () => {
    expect(await authorityCertificate(authority.key, authority.commonName)).toBe(root);
    expect(await serverCertificate(keyOf("server"), names, authority)).toBe(leaf);
    expect([sum(root), sum(leaf)]).toEqual([
      "7d4a2ddeaa0186b5da57aa2b9351a9f04c549d458778bf8c30393061dd1c585a",
      "d1037001e296e70c20d2c4135c3e47c90e31f32c4ef1ae7b5bcf7237b7a7158c",
    ]);
  });

  it("differ, and have another number, for whoever is another", async () => {
    const others = await Promise.all([
      serverCertificate(keyOf("other"), names, authority),
      serverCertificate(keyOf("server"), { ...names, commonName: "other" }, authority),
      serverCertificate(keyOf("server"), { ...names, addresses: ["192.168.122.11"] }, authority),
      authorityCertificate(keyOf("other"), authority.commonName),
    ]);
    const numbers = [root, leaf, ...others].map((pem) => new X509Certificate(pem).serialNumber);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it("are of the key that they were made for, and good for thirty years", () => {
    for (const [pem, key] of [
      [root, authority.key],
      [leaf, keyOf("server")],
    ] as const) {
      const certificate = new X509Certificate(pem);
      expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
      expect(new Date(certificate.validFrom)).toEqual(new Date("2026-01-01T00:00:00Z"));
      expect(new Date(certificate.validTo)).toEqual(new Date("2056-01-01T00:00:00Z"));
    }
    expect(new X509Certificate(root).ca).toBe(true);
    expect(new X509Certificate(leaf).ca).toBe(false);
    // For TLS servers, and for TLS clients.
    expect(new X509Certificate(leaf).keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  });

  it.each(["assethost", "assethost.wire.example.com", "192.168.122.10", "127.0.0.1"])(
    "prove a server by the name %s",
    async (name) => {
      expect(await objection({ key: keyOf("server"), cert: leaf }, root, name)).toBe("");
    },
  );

  it("prove it by no other name, its common name among them", async () => {
    const hidden = await serverCertificate(keyOf("server"), { ...names, dnsNames: ["assethost"] }, authority);
    for (const name of ["kubenode1", "192.168.122.11", names.commonName])
      expect(await objection({ key: keyOf("server"), cert: hidden }, root, name)).toBe("another name");
  });

  it("prove nothing that another authority has signed, not even one of the same name", async () => {
    for (const other of [
      { commonName: "other.example.com", key: keyOf("other") },
      { ...authority, key: keyOf("other") },
    ]) {
      const forged = await serverCertificate(keyOf("server"), names, other);
      expect(await objection({ key: keyOf("server"), cert: forged }, root, "assethost")).toMatch(
        /unable to verify|signature/,
      );
    }
  });

  it("make no further authorities", async () => {
    // The authority's own key signs one, which signs a server's certificate.
    const algorithm = { name: "Ed25519" };
    const der = (key: string) => createPublicKey(key).export({ format: "der", type: "spki" });
    const sub = await X509CertificateGenerator.create({
      ...{ serialNumber: "01", subject: "CN=sub", issuer: `CN=${authority.commonName}` },
      ...{ notBefore: new Date("2026-01-01"), notAfter: new Date("2056-01-01"), signingAlgorithm: algorithm },
      publicKey: await webcrypto.subtle.importKey("spki", der(keyOf("sub")), algorithm, true, ["verify"]),
      signingKey: await webcrypto.subtle.importKey(
        "pkcs8",
        createPrivateKey(authority.key).export({ format: "der", type: "pkcs8" }),
        algorithm,
        false,
        ["sign"],
      ),
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      ],
    });
    const below = await serverCertificate(keyOf("server"), names, { commonName: "sub", key: keyOf("sub") });
    const impostor = { commonName: names.commonName, key: keyOf("server") };
    const byLeaf = await serverCertificate(keyOf("server"), { ...names, commonName: "other" }, impostor);
    const identity = (...chain: string[]) => ({ key: keyOf("server"), cert: chain.join("") });
    expect(await objection(identity(below, `${sub.toString("pem")}\n`), root, "assethost")).toBe(
      "path length constraint exceeded",
    );
    expect(await objection(identity(byLeaf, leaf), root, "assethost")).toBe(
      "key usage does not include certificate signing",
    );
  });
});
