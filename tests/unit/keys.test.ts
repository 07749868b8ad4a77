import { execFileSync } from "node:child_process";
import { createHash, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bytesFromText,
  type Curve,
  ecdsaFromRandom,
  ecdsaRandomBytes,
  ed25519FromSeed,
  openSshEd25519,
  pkcs8Pem,
  zauthKeyPair,
} from "../../components/secrets/keys";

// openssl and OpenSSH judge the keys: what made them is not asked.
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "keys-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

const run = (command: string, args: string[], input?: string) =>
  execFileSync(command, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });

const openssl = (...args: string[]) => run("openssl", args);

/** The outline of a DER structure, as `openssl asn1parse` gives it: depth and kind of each element. */
const outline = (path: string, ...options: string[]) =>
  openssl("asn1parse", "-in", path, ...options)
    .trim()
    .split("\n")
    .map((line) => {
      const [, offset = "", depth = "", kind = ""] =
        /^\s*(\d+):d=(\d+) .*(?:prim|cons): (.*)$/.exec(line) ?? [];
      return { offset, element: `${depth} ${kind.replace(/^OCTET STRING.*/, "OCTET STRING").trim()}` };
    });

/** Signs with one openssl and verifies with another that has the public key alone. */
function signAndVerify(pem: string, message: string, raw: boolean): string {
  const key = file("private.pem", pem);
  const publicKey = file("public.pem", openssl("pkey", "-in", key, "-pubout"));
  const text = file("message", message);
  const signature = join(directory, "signature");
  const options = raw ? ["-rawin"] : ["-rawin", "-digest", "sha256"];
  openssl("pkeyutl", "-sign", "-inkey", key, ...options, "-in", text, "-out", signature);
  return openssl(
    "pkeyutl",
    "-verify",
    "-pubin",
    "-inkey",
    publicKey,
    ...options,
    "-in",
    text,
    "-sigfile",
    signature,
  );
}

const seed = (byte: number) => Buffer.alloc(32, byte);
const hex = (text: string) => Buffer.from(text, "hex");

describe("bytes from a text", () => {
  it("are those of HKDF with SHA-512, without salt and context", () => {
    // Computed once with Python's hmac: extract with 64 zero bytes, then expand.
    expect(bytesFromText("a".repeat(128), 74).toString("hex")).toBe(
      "5f0923a56af1f202ca915b5b5f6f34a97ac42a830b70cf0d60628cd4ca9db20551dbfe47c343f752e61363c85a8345819b0ef30ddc65c4860fff27b3737f2a37161b6112331ea0f2fff9",
    );
  });
});

describe("Ed25519 keys", () => {
  it("have the public key that RFC 8032 (7.1, test 1) gives for the seed", () => {
    const key = ed25519FromSeed(hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
    const path = file("rfc8032.pem", pkcs8Pem(key));
    const text = openssl("pkey", "-in", path, "-noout", "-text_pub").replaceAll(/[\s:]/g, "");
    expect(text).toBe(
      "ED25519Public-Keypub" + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
  });

  it("sign what their public key verifies", () => {
    expect(signAndVerify(pkcs8Pem(ed25519FromSeed(seed(7))), "a removal", true)).toContain(
      "Verified Successfully",
    );
  });

  it("have the structure that galley reads: version, algorithm, seed, and nothing else", () => {
    const path = file("ed25519.pem", pkcs8Pem(ed25519FromSeed(seed(7))));
    expect(outline(path).map(({ element }) => element)).toEqual([
      "0 SEQUENCE",
      "1 INTEGER           :00",
      "1 SEQUENCE",
      "2 OBJECT            :ED25519",
      "1 OCTET STRING",
    ]);
  });

  it.each([31, 33])("are not made of %i bytes", (bytes) => {
    expect(() => ed25519FromSeed(Buffer.alloc(bytes))).toThrow(`32 bytes, not ${bytes}`);
  });
});

describe.each<[Curve, string, string, number]>([
  ["P-256", "prime256v1", "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296", 40],
  [
    "P-384",
    "secp384r1",
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    56,
  ],
  [
    "P-521",
    "secp521r1",
    "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
    74,
  ],
])("ECDSA keys on %s", (curve, opensslName, generatorX, bytes) => {
  const point = (key: KeyObject) => {
    const { d = "", x = "", y = "" } = key.export({ format: "jwk" });
    const number = (value: string) => Buffer.from(value, "base64url").toString("hex");
    return { d: BigInt(`0x${number(d)}`), x: number(x), y: number(y) };
  };
  const fromNumber = (value: bigint) =>
    ecdsaFromRandom(curve, hex(value.toString(16).padStart(bytes * 2, "0")));

  it(`take ${bytes} random bytes and no fewer`, () => {
    expect(ecdsaRandomBytes(curve)).toBe(bytes);
    expect(() => ecdsaFromRandom(curve, Buffer.alloc(bytes - 1, 1))).toThrow(`${bytes} random bytes or more`);
  });

  it("are 1 for a zero: the public key is the generator", () => {
    const { d, x } = point(ecdsaFromRandom(curve, Buffer.alloc(bytes)));
    expect([d, x]).toEqual([1n, generatorX]);
  });

  it("wrap around at the order of the group: order − 1 is the largest, and 1 comes after it", () => {
    const order = BigInt(
      `0x${openssl("ecparam", "-name", opensslName, "-param_enc", "explicit", "-text", "-noout")
        .replaceAll(/[\s:]/g, "")
        .replace(/^.*Order/, "")
        .replace(/Cofactor.*$/, "")}`,
    );
    const largest = point(fromNumber(order - 2n));
    expect(largest.d).toBe(order - 1n);
    // Minus the generator: the same x, another y.
    expect([largest.x, largest.y !== point(fromNumber(0n)).y]).toEqual([generatorX, true]);
    expect(point(fromNumber(order - 1n)).d).toBe(1n);
  });

  it.each([0x00, 0x5a, 0xff])("are valid for random bytes that are all %i", (byte) => {
    const pem = pkcs8Pem(ecdsaFromRandom(curve, Buffer.alloc(bytes, byte)));
    const path = file(`${curve}.pem`, pem);
    expect(openssl("pkey", "-in", path, "-noout", "-check")).toContain("Key is valid");
    expect(openssl("ec", "-in", path, "-noout", "-text")).toContain(`ASN1 OID: ${opensslName}`);
    expect(signAndVerify(pem, "a removal", false)).toContain("Verified Successfully");
  });

  it("have the structure that galley reads: the public key inside, the curve outside only, full length", () => {
    const path = file(`${curve}.pem`, pkcs8Pem(ecdsaFromRandom(curve, Buffer.alloc(bytes))));
    const outer = outline(path);
    expect(outer.map(({ element }) => element)).toEqual([
      "0 SEQUENCE",
      "1 INTEGER           :00",
      "1 SEQUENCE",
      "2 OBJECT            :id-ecPublicKey",
      `2 OBJECT            :${opensslName}`,
      "1 OCTET STRING",
    ]);
    const inner = outline(path, "-strparse", outer.at(-1)?.offset ?? "");
    expect(inner.map(({ element }) => element)).toEqual([
      "0 SEQUENCE",
      "1 INTEGER           :01",
      "1 OCTET STRING",
      "1 cont [ 1 ]",
      "2 BIT STRING",
    ]);
    expect(openssl("asn1parse", "-in", path, "-strparse", outer.at(-1)?.offset ?? "")).toContain(
      `${"0".repeat(generatorX.length - 1)}1\n`,
    );
  });

  it("are the same for the same bytes and others for others", () => {
    const pem = (byte: number) => pkcs8Pem(ecdsaFromRandom(curve, Buffer.alloc(bytes, byte)));
    expect(pem(3)).toBe(pem(3));
    expect(pem(3)).not.toBe(pem(4));
  });
});

describe("zauth key pairs", () => {
  // 0xfb and 0xff bytes make both characters in which the URL-safe alphabet differs.
  const pair = zauthKeyPair(seed(0xfb));
  const decode = (text: string) => Buffer.from(text, "base64url");

  it("are padded, URL-safe base64 on one line: 32 bytes of public key, seed and public key as private key", () => {
    expect(pair.publicKey).toMatch(/^[A-Za-z0-9_-]{43}=$/);
    expect(pair.privateKey).toMatch(/^[A-Za-z0-9_-]{86}==$/);
    expect(decode(pair.privateKey)).toEqual(Buffer.concat([seed(0xfb), decode(pair.publicKey)]));
    expect(pair.privateKey).toMatch(/[_-]/);
  });

  it("sign tokens that the public key verifies", () => {
    const token =
      ".v=1.k=1.d=1466770783.t=a.l=.u=6562d941-4f40-4db4-b96e-56a06d71c2c3.c=11019722839397809329";
    const signature = sign(
      null,
      Buffer.from(token),
      ed25519FromSeed(decode(pair.privateKey).subarray(0, 32)),
    );
    const spki = Buffer.concat([hex("302a300506032b6570032100"), decode(pair.publicKey)]);
    const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toString("base64")}\n-----END PUBLIC KEY-----\n`;
    expect(
      openssl(
        ...["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", file("zauth.pem", pem)],
        ...["-in", file("token", token), "-sigfile", file("token.sig", signature)],
      ),
    ).toContain("Verified Successfully");
  });

  it("are the same for the same seed and others for others", () => {
    expect(zauthKeyPair(seed(1))).toEqual(zauthKeyPair(seed(1)));
    expect(zauthKeyPair(seed(1)).privateKey).not.toBe(zauthKeyPair(seed(2)).privateKey);
  });
});

describe("SSH key pairs", () => {
  // Comments of 1 to 8 characters need every length of padding.
  it.each(["a", "ab", "abc", "abcd", "wiab/", "wiab/s", "wiab/st", "wiab-staging/lab é"])(
    "are read by OpenSSH, which finds the same public key and the comment %j",
    (comment) => {
      const { privateKey, publicKey } = openSshEd25519(seed(9), comment);
      const path = file("id_ed25519", privateKey);
      expect(run("ssh-keygen", ["-y", "-P", "", "-f", path])).toBe(`${publicKey}\n`);
    },
  );

  it("sign what OpenSSH verifies with the public line", () => {
    const { privateKey, publicKey } = openSshEd25519(seed(9), "wiab-staging/lab");
    const key = file("id_sign", privateKey);
    const signature = file(
      "signed.sig",
      run("ssh-keygen", ["-Y", "sign", "-n", "test", "-f", key], "a message"),
    );
    const signers = file("signers", `operator ${publicKey}\n`);
    const verify = (message: string) =>
      run(
        "ssh-keygen",
        ["-Y", "verify", "-n", "test", "-I", "operator", "-f", signers, "-s", signature],
        message,
      );
    expect(verify("a message")).toContain('Good "test" signature for operator');
    expect(() => verify("another message")).toThrow();
  });

  it("are the same text for the same seed and comment, another for another seed", () => {
    expect(openSshEd25519(seed(1), "a")).toEqual(openSshEd25519(seed(1), "a"));
    expect(openSshEd25519(seed(1), "a").publicKey).not.toBe(openSshEd25519(seed(2), "a").publicKey);
  });

  it.each(["", "two\nlines", "bell\u0007"])("refuse the comment %j", (comment) => {
    expect(() => openSshEd25519(seed(1), comment)).toThrow("one line of printable characters");
  });

  it("keep their text in later versions of the program, to the byte", () => {
    const { privateKey } = openSshEd25519(seed(1), "a");
    expect(createHash("sha256").update(privateKey).digest("hex")).toBe(
      "8de2b2f2fd4e0e10d86125f2e3bf56a6af37b3f4aa4cd1bd852cb541ec7194bf",
    );
  });
});
