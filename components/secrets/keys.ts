import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { quote } from "../config/quote";

/**
 * Key pairs as pure functions of secret input. The input is what the state keeps, so these functions must
 * give the same key for it in every version of this program: another result is another key for a
 * deployment that runs. Known answers in the tests hold them to that.
 */

/** A key pair as text, in the encoding of whoever reads it. */
export interface EncodedKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Curves of ECDSA keys, by their JSON Web Key names. */
export type Curve = keyof typeof curves;

/** OpenSSL's name, size of a coordinate in bytes, and order of the group (NIST SP 800-186, section 3.2.1). */
const curves = {
  "P-256": {
    openssl: "prime256v1",
    bytes: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  "P-384": {
    openssl: "secp384r1",
    bytes: 48,
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  "P-521": {
    openssl: "secp521r1",
    bytes: 66,
    order:
      0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
} as const;

/** Size of an Ed25519 seed in bytes (RFC 8032, section 5.1.5). */
export const ed25519SeedBytes = 32;

/**
 * Bytes of input that {@link ecdsaFromRandom} needs: 64 bits more than the order has, so that no scalar is
 * noticeably likelier than another (FIPS 186-5, A.2.1).
 */
export function ecdsaRandomBytes(curve: Curve): number {
  return Math.ceil((curves[curve].order.toString(2).length + 64) / 8);
}

/**
 * Uniform bytes from a random text, by HKDF with SHA-512 (RFC 5869). A text serves one key only, which is
 * why there is neither salt nor context.
 */
export function bytesFromText(text: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync("sha512", text, "", "", bytes));
}

/** The Ed25519 private key of a seed of 32 bytes. */
export function ed25519FromSeed(seed: Buffer): KeyObject {
  if (seed.length !== ed25519SeedBytes) {
    throw new RangeError(`an Ed25519 seed has ${ed25519SeedBytes} bytes, not ${seed.length}`);
  }
  // What PKCS#8 puts before the seed (RFC 8410, section 7). A JSON Web Key would ask for the public key,
  // which is not known yet.
  const header = Buffer.from("302e020100300506032b657004220420", "hex");
  return createPrivateKey({ key: Buffer.concat([header, seed]), format: "der", type: "pkcs8" });
}

/**
 * The ECDSA private key that random bytes stand for: their number modulo order − 1, plus 1 (FIPS 186-5,
 * A.2.1). Takes at least {@link ecdsaRandomBytes} bytes.
 */
export function ecdsaFromRandom(curve: Curve, random: Buffer): KeyObject {
  const { openssl, bytes, order } = curves[curve];
  const needed = ecdsaRandomBytes(curve);
  if (random.length < needed) {
    throw new RangeError(`a key on ${curve} takes ${needed} random bytes or more, not ${random.length}`);
  }
  const scalar = (BigInt(`0x${random.toString("hex")}`) % (order - 1n)) + 1n;
  const d = Buffer.from(scalar.toString(16).padStart(bytes * 2, "0"), "hex");
  const ecdh = createECDH(openssl);
  ecdh.setPrivateKey(d);
  // Uncompressed: a byte that says so, x, y.
  const point = ecdh.getPublicKey();
  const key = {
    kty: "EC",
    crv: curve,
    d: d.toString("base64url"),
    x: point.subarray(1, 1 + bytes).toString("base64url"),
    y: point.subarray(1 + bytes).toString("base64url"),
  };
  return createPrivateKey({ key, format: "jwk" });
}

/** A private key as PEM of PKCS#8; that of an ECDSA key carries the public key, which galley insists on. */
export function pkcs8Pem(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}

/**
 * A key pair for zauth: libsodium's bytes in the URL-safe alphabet of base64, padded. The private key is
 * seed and public key, 64 bytes; the public key has 32. One line each, without a line break: nginz takes
 * an empty line for a malformed key.
 */
export function zauthKeyPair(seed: Buffer): EncodedKeyPair {
  const publicKey = rawPublicKey(seed);
  return {
    privateKey: paddedBase64Url(Buffer.concat([seed, publicKey])),
    publicKey: paddedBase64Url(publicKey),
  };
}

/**
 * An Ed25519 key pair for SSH: the private key in OpenSSH's own format without a passphrase (PROTOCOL.key
 * of OpenSSH), the public key as a line of authorized_keys, without a line break.
 *
 * @param comment Says whose key it is, at the end of the line; printable characters.
 */
export function openSshEd25519(seed: Buffer, comment: string): EncodedKeyPair {
  if (!/^\P{C}+$/u.test(comment)) {
    throw new RangeError(
      `the comment of an SSH key has to be one line of printable characters: ${quote(comment)}`,
    );
  }
  const type = "ssh-ed25519";
  const publicKey = rawPublicKey(seed);
  const publicBlob = Buffer.concat([sshString(type), sshString(publicKey)]);
  // Twice the same number shows a reader that decryption went well; the format calls for a random one,
  // but here the same seed has to give the same text.
  const check = createHash("sha256").update(publicKey).digest().subarray(0, 4);
  const fields = Buffer.concat([
    check,
    check,
    publicBlob,
    sshString(Buffer.concat([seed, publicKey])),
    sshString(comment),
  ]);
  // Padded to the block size of the cipher "none" with 1, 2, 3, …
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (fields.length % 8)) % 8));
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(publicBlob),
    sshString(Buffer.concat([fields, padding])),
  ]);
  const lines = file.toString("base64").match(/.{1,70}/g) ?? [];
  return {
    privateKey: [
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      ...lines,
      "-----END OPENSSH PRIVATE KEY-----",
      "",
    ].join("\n"),
    publicKey: `${type} ${publicBlob.toString("base64")} ${comment}`,
  };
}

/** The 32 bytes of the public key that belongs to a seed. */
function rawPublicKey(seed: Buffer): Buffer {
  const { x = "" } = createPublicKey(ed25519FromSeed(seed)).export({ format: "jwk" });
  return Buffer.from(x, "base64url");
}

function paddedBase64Url(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** A string on the wire of SSH: its length, then its bytes (RFC 4251, section 5). */
function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
