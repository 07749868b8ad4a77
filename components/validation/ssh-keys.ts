import { createPrivateKey } from "node:crypto";

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

/** Shorter keys are within reach of who has time and money (NIST SP 800-131A). */
const minimumRsaBits = 2048;

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
  if (type !== "ssh-rsa") return undefined;
  const bits = BigInt(`0x${last.toString("hex") || "0"}`).toString(2).length;
  return bits < minimumRsaBits
    ? `is an RSA key of ${bits} bits; ${minimumRsaBits} or more are needed: ssh-keygen -t ed25519 makes another`
    : undefined;
}

/** Why the text of a file cannot be used as a private key without anybody to ask; undefined if it can. */
export function privateKeyProblem(text: string): string | undefined {
  if (/^PuTTY-User-Key-File/.test(text))
    return "is PuTTY's format: convert it with puttygen FILE -O private-openssh";
  if (/^(ssh-|ecdsa-|sk-)/.test(text)) return "is a public key; the private one has no .pub in its name";
  if (/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(text) && !/PRIVATE KEY-----/.test(text))
    return "is a certificate, not the private key that belongs to it";
  const block = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----\r?\n([\s\S]*?)-----END \1PRIVATE KEY-----/.exec(text);
  if (!block)
    return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
      ? "is cut short: the line -----END … PRIVATE KEY----- is missing"
      : "is not a private key in PEM or OpenSSH format";
  const [whole, kind = "", body = ""] = block;
  const nobody = "has a passphrase, and nobody can type it here";
  const passphrase = `${nobody}: take it off a copy with ssh-keygen -p -f FILE, or add the key to the SSH agent and leave this setting out`;
  if (kind.startsWith("ENCRYPTED") || /^Proc-Type: 4,ENCRYPTED/m.test(body))
    return `${nobody}: openssl pkey -in FILE -out COPY takes it off a copy`;
  if (kind.startsWith("DSA"))
    return "is a DSA key, which OpenSSH takes no more: ssh-keygen -t ed25519 makes another";
  if (kind.trim() !== "OPENSSH") {
    try {
      createPrivateKey(whole);
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
  if (head[0]?.toString() !== "none") return passphrase;
  const rest = bytes.subarray(magic.length + head.reduce((sum, { length }) => sum + 4 + length, 0) + 4);
  const keys = readFields(rest);
  if (keys?.length !== 2) return damaged;
  return readFields(keys[0] as Buffer)?.[0]?.toString() === "ssh-dss"
    ? "is a DSA key, which OpenSSH takes no more: ssh-keygen -t ed25519 makes another"
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
