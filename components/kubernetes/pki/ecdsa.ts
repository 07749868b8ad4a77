import { createECDH, createHash, createHmac, createPrivateKey } from "node:crypto";

/** Order of the group of P-256 (NIST SP 800-186, section 3.2.1.3). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Size of a number below the order, in bytes. */
const size = 32;

/**
 * Signs with a P-256 key (PEM of PKCS#8) and SHA-256 as RFC 6979 says: the number that every signature needs comes out
 * of key and message, so that the same certificate is signed with the same bytes at every run of the program.
 * @returns r and s, of 32 bytes each.
 */
export function signDeterministically(key: string, message: Buffer): Buffer {
  const secret = Buffer.from(createPrivateKey(key).export({ format: "jwk" }).d ?? "", "base64url");
  const digest = createHash("sha256").update(message).digest();
  for (const nonce of nonces(secret, digest)) {
    const ecdh = createECDH("prime256v1");
    ecdh.setPrivateKey(toBytes(nonce));
    // Uncompressed: a byte that says so, x, y.
    const r = toNumber(ecdh.getPublicKey().subarray(1, 1 + size)) % order;
    const s = (inverse(nonce) * (toNumber(digest) + r * toNumber(secret))) % order;
    if (r !== 0n && s !== 0n) return Buffer.concat([toBytes(r), toBytes(s)]);
  }
  throw new Error("unreachable: the numbers never end");
}

/** RFC 6979, section 3.2, where hash and order have the same length. */
function* nonces(secret: Buffer, digest: Buffer): Generator<bigint> {
  const hmac = (with_: Buffer, ...parts: readonly Buffer[]) =>
    createHmac("sha256", with_).update(Buffer.concat(parts)).digest();
  const seed = Buffer.concat([secret, toBytes(toNumber(digest) % order)]);
  let v = Buffer.alloc(size, 1);
  let k = Buffer.alloc(size, 0);
  for (const step of [0, 1]) {
    k = hmac(k, v, Buffer.of(step), seed);
    v = hmac(k, v);
  }
  while (true) {
    v = hmac(k, v);
    const candidate = toNumber(v);
    if (candidate > 0n && candidate < order) yield candidate;
    k = hmac(k, v, Buffer.of(0));
    v = hmac(k, v);
  }
}

const toNumber = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString("hex")}`);

const toBytes = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(2 * size, "0"), "hex");

/** By Fermat's little theorem: the order is a prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value % order;
  for (let exponent = order - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % order;
    base = (base * base) % order;
  }
  return result;
}
