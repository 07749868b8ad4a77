import { createPrivateKey, createPublicKey } from "node:crypto";

/** What sshd of the machines takes, with the bytes of the key's fields where they are fixed. */
const publicKeyTypes: Readonly<Record<string, { readonly fields: number; readonly lastField?: number }>> = {
  "ssh-ed25519": { fields: 2, lastField: 32 },
  "ssh-rsa": { fields: 3 },
  "ecdsa-sha2-nistp256": { fields: 3, lastField: 65 },
  "ecdsa-sha2-nistp384": { fields: 3, lastField: 97 },
  "ecdsa-sha2-nistp521": { fields: 3, lastField: 133 },
  "sk-ssh-ed25519@openssh.com": { fields: 3 },
  "sk-ecdsa-sha2-nistp256@openssh.com": { fields: 4 },
};

/** Bits of an RSA key: shorter ones are within reach of who has time and money (NIST SP 800-131A), OpenSSH takes no longer ones. */
const rsaBits = { least: 2048, most: 16384 } as const;

/** What OpenSSH encrypts private keys with (`ssh -Q cipher`): any other word is a damaged key. */
const keyCiphers = /^(3des-cbc|aes(128|192|256)-(cbc|ctr|gcm@openssh\.com)|chacha20-poly1305@openssh\.com)$/;

/** Why a line cannot stand in `authorized_keys`; undefined if it can. Never has the line in it. */
export function publicKeyProblem(line: string): string | undefined {
  if (/PRIVATE KEY/.test(line))
    return "is a private key: give the line of the .pub file, and make a new pair, since this one was shown";
  if (/[\r\n]/.test(line.trim())) return "has several lines: each key is an entry of its own";
  const [type = "", body = ""] = line.trim().split(/\s+/);
  if (type === "ssh-dss")
    return "is a DSA key, which OpenSSH takes no more: ssh-keygen -t ed25519 makes another";
  if (/-cert-v\d+@/.test(type))
    return "is a certificate, not a key: give the line of the key's own .pub file";
  const known = publicKeyTypes[type];
  if (!known)
    return `does not begin with a key type (${Object.keys(publicKeyTypes).join(", ")}): give a line of a .pub file, without options`;
  const fields = readFields(Buffer.from(body, "base64"));
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body) || !fields || fields.length !== known.fields)
    return `is cut short or damaged: copy the whole line of the .pub file (${type})`;
  if (fields[0]?.toString() !== type)
    return `says ${type} and is a key of another type: copy the whole line of the .pub file`;
  const last = fields.at(-1) as Buffer;
  if (known.lastField !== undefined && last.length !== known.lastField)
    return `is cut short or damaged: copy the whole line of the .pub file (${type})`;
  const [, curve, point] = fields;
  if (type.includes("ecdsa") && !isOnCurve(`${curve}`, point as Buffer, type))
    return `is damaged: it is no point of its curve; copy the whole line of the .pub file (${type})`;
  if (type !== "ssh-rsa") return undefined;
  const bits = BigInt(`0x${last.toString("hex") || "0"}`).toString(2).length;
  if (bits < rsaBits.least)
    return `is an RSA key of ${bits} bits; ${rsaBits.least} or more are needed: ssh-keygen -t ed25519 makes another`;
  return bits > rsaBits.most
    ? `is an RSA key of ${bits} bits; OpenSSH takes ${rsaBits.most} at most: ssh-keygen -t ed25519 makes another`
    : undefined;
}

/** Whether the fields of an ECDSA key are of the curve that its type names, and a point on it (RFC 5656, 3.1). */
function isOnCurve(curve: string, point: Buffer, type: string): boolean {
  const size = (point.length - 1) / 2;
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)].map((one) =>
    one.toString("base64url"),
  );
  try {
    createPublicKey({ format: "jwk", key: { kty: "EC", crv: curve.replace("nistp", "P-"), x, y } });
    return point[0] === 4 && type.includes(curve);
  } catch {
    return false;
  }
}

/** Why the text of a file cannot be used as a private key without anybody to ask; undefined if it can. */
export function privateKeyProblem(text: string): string | undefined {
  if (/^PuTTY-User-Key-File/.test(text))
    return "is PuTTY's format: convert it with puttygen FILE -O private-openssh";
  if (/^(ssh-|ecdsa-|sk-)/.test(text)) return "is a public key; the private one has no .pub in its name";
  if (/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(text) && !/PRIVATE KEY-----/.test(text))
    return "is a certificate, not the private key that belongs to it";
  const form = formProblem(text);
  if (form !== undefined) return form;
  const block = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[ \t]*\r?\n([\s\S]*?)-----END \1PRIVATE KEY-----/.exec(
    text,
  );
  if (!block)
    return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
      ? "is cut short: the line -----END … PRIVATE KEY----- is missing"
      : "is not a private key in PEM or OpenSSH format";
  const [, kind = "", body = ""] = block;
  const nobody = "has a passphrase, and nobody can type it here";
  const passphrase = `${nobody}: take it off a copy with ssh-keygen -p -f FILE, or add the key to the SSH agent and leave this setting out`;
  if (kind.startsWith("ENCRYPTED") || /^Proc-Type: 4,ENCRYPTED/m.test(body))
    return `${nobody}: openssl pkey -in FILE -out COPY takes it off a copy`;
  if (kind.startsWith("DSA"))
    return "is a DSA key, which OpenSSH takes no more: ssh-keygen -t ed25519 makes another";
  if (kind.trim() !== "OPENSSH") {
    try {
      createPrivateKey(text);
      return undefined;
    } catch {
      return "is cut short or damaged: it is no key in PEM";
    }
  }
  const damaged = "is cut short or damaged: it is no key in OpenSSH's format";
  const bytes = Buffer.from(body.replace(/\s/g, ""), "base64");
  const magic = "openssh-key-v1\0";
  if (!bytes.subarray(0, magic.length).equals(Buffer.from(magic))) return damaged;
  const head = readFields(bytes.subarray(magic.length), 3);
  if (!head) return damaged;
  if (keyCiphers.test(`${head[0]}`)) return passphrase;
  if (`${head[0]} ${head[1]}` !== "none none") return damaged;
  const rest = bytes.subarray(magic.length + head.reduce((sum, { length }) => sum + 4 + length, 0));
  // How many keys follow: OpenSSH writes one, and reads no others.
  if (rest.length < 4 || rest.readUInt32BE() !== 1) return damaged;
  const [publicKey, privateKey, ...others] = readFields(rest.subarray(4)) ?? [];
  if (!publicKey || !privateKey || others.length > 0) return damaged;
  const [type] = readFields(publicKey) ?? [];
  if (type?.toString() === "ssh-dss")
    return "is a DSA key, which OpenSSH takes no more: ssh-keygen -t ed25519 makes another";
  return type !== undefined && isWhole(readFields(publicKey) ?? [], privateKey) ? undefined : damaged;
}

/** Fields of a private key with its comment, by type (OpenSSH, PROTOCOL.key); those of security keys are none of ours. */
const privateFields: Readonly<Record<string, number>> = {
  "ssh-ed25519": 4,
  "ssh-rsa": 8,
  "ecdsa-sha2-nistp256": 5,
  "ecdsa-sha2-nistp384": 5,
  "ecdsa-sha2-nistp521": 5,
};

/** Whether the private half has the fields of the public one, between a number twice and a padding that counts. */
function isWhole(publicFields: readonly Buffer[], half: Buffer): boolean {
  const count = privateFields[`${publicFields[0]}`] ?? 1;
  const fields = readFields(half.subarray(8), count) ?? [];
  const padding = half.subarray(8 + fields.reduce((sum, { length }) => sum + 4 + length, 0));
  const wanted = count === 1 ? publicFields.slice(0, 1) : publicFields;
  const [, ed25519, both] = fields;
  return (
    half.subarray(0, 4).equals(half.subarray(4, 8)) &&
    fields.length === count &&
    wanted.every((one) => fields.some((other) => other.equals(one))) &&
    (count === 1 || padding.every((byte, index) => byte === index + 1)) &&
    (`${publicFields[0]}` !== "ssh-ed25519" || both?.subarray(32).equals(ed25519 as Buffer) === true)
  );
}

/** What OpenSSH, or Go for a certificate's key, stumbles over around a key that is whole; undefined if nothing. */
function formProblem(text: string): string | undefined {
  if (text.includes("\uFEFF"))
    return "begins with a byte order mark, which servers and OpenSSH do not skip: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE takes it off";
  const ofOpenSsh = text.includes("-----BEGIN OPENSSH PRIVATE KEY-----");
  if (ofOpenSsh ? text.includes("\r") : /\r(?!\n)/.test(text))
    return "has line ends that OpenSSH does not take (Windows' or old Macs'): sed -i 's/\\r$//; s/\\r/\\n/g' FILE mends them";
  if (/^[ \t]+-----(BEGIN|END)/m.test(text) || (ofOpenSsh && /^-----(BEGIN|END).*-[ \t]+$/m.test(text)))
    return "has blanks before or behind its lines, as after a copy out of YAML: sed -i 's/^[ \\t]*//; s/[ \\t]*$//' FILE takes them off";
  if (!ofOpenSsh) return undefined;
  if (!text.startsWith("-----BEGIN"))
    return "has something before the key, which OpenSSH does not take: sed -i '/-----BEGIN/,$!d' FILE takes it off";
  return text.trimEnd().endsWith("-----END OPENSSH PRIVATE KEY-----") && !text.endsWith("\n")
    ? "lacks the end of its last line, without which OpenSSH does not take it: sed -i '$a\\' FILE adds it"
    : undefined;
}

/** Fields with their length before them, as SSH packs them (RFC 4251); undefined unless they fill the bytes. */
function readFields(bytes: Buffer, count = Number.POSITIVE_INFINITY): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let offset = 0;
  while (offset < bytes.length && fields.length < count) {
    if (offset + 4 > bytes.length) return undefined;
    const end = offset + 4 + bytes.readUInt32BE(offset);
    if (end > bytes.length) return undefined;
    fields.push(bytes.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}
