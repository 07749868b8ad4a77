import { generateKeyPairSync } from "node:crypto";
import { strToU8, zipSync } from "fflate";
import { beforeAll, describe, expect, it } from "vitest";
import { mesh as schema } from "../../components/config/mesh-schema";
import { IdentityError, readIdentity } from "../../components/validation/mesh-identity";
import { type Issued, MeshAuthority } from "../fixtures/mesh-authority";

let authority: MeshAuthority;
let own: Issued;
let other: Issued;
let authorityKey: string;

beforeAll(async () => {
  authority = await MeshAuthority.make("mesh");
  authorityKey = await authority.privateKey();
  own = await authority.issue("a.pmd.internal", "fd51:0:0:a::/64");
  other = await authority.issue("b.pmd.internal", "fd51:0:0:b::/64");
});

/** Reads an identity whose files have these contents. */
function read(identity: object, files: Record<string, string | Uint8Array>) {
  const content = (path: string) => {
    const found = files[path];
    if (found === undefined) throw new Error(`${path} cannot be read: ENOENT`);
    return found;
  };
  return readIdentity(schema.parse({ site: "a", gateway: "g", identity }).identity, {
    readText: (path) => String(content(path)),
    readSecret: (path) => content(path) as Uint8Array,
    keyFileProblem: () => undefined,
  });
}

/** Key and message of a refusal. */
function refusal(identity: object, files: Record<string, string | Uint8Array>): string {
  try {
    read(identity, files);
  } catch (error) {
    if (error instanceof IdentityError) return `${error.key}: ${error.message}`;
    throw error;
  }
  return "none";
}

const zip = (entries: Record<string, string>) =>
  zipSync(Object.fromEntries(Object.entries(entries).map(([name, text]) => [name, strToU8(text)])));

describe("an identity from a ZIP", () => {
  const zipFile = "site.zip";

  it("is found whatever its files are called", () => {
    const found = read(
      { zipFile },
      {
        [zipFile]: zip({
          "pmd/participant.key": own.privateKey,
          "pmd/cachain.cert": `# the chain\n${authority.certificate}`,
          "pmd/participant.cert": own.certificate,
          "pmd/README": "text",
        }),
      },
    );
    expect(found).toMatchObject({ certificate: own.certificate, authority: authority.certificate });
    expect("privateKey" in found && found.privateKey).toBe(own.privateKey);
  });

  it("may be of another authority than sites are believed by", async () => {
    const believed = await MeshAuthority.make("another");
    const found = read(
      { zipFile, authorityFile: "authority.pem" },
      {
        [zipFile]: zip({ key: own.privateKey, chain: own.certificate + authority.certificate }),
        "authority.pem": believed.certificate,
      },
    );
    expect(found).toMatchObject({
      certificate: own.certificate + authority.certificate,
      authority: believed.certificate,
    });
  });

  it("is refused with what is missing", () => {
    const { privateKey: encrypted } = generateKeyPairSync("ed25519", {
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret-word" },
    });
    const chain = own.certificate + authority.certificate;
    const cases: [RegExp, Uint8Array][] = [
      [/^zipFile: cannot be unpacked: /, strToU8("no ZIP")],
      [/^zipFile: must hold one private key in PEM, holds 0/, zip({ chain })],
      [
        /^zipFile: must hold one private key in PEM, holds 2/,
        zip({ chain, key: own.privateKey + other.privateKey }),
      ],
      [/^zipFile: holds a private key that is encrypted/, zip({ chain, key: encrypted })],
      [/^zipFile: holds no certificate for its private key/, zip({ chain, key: other.privateKey })],
      [
        /^authorityFile: is missing: the ZIP holds no authority's/,
        zip({ cert: own.certificate, key: own.privateKey }),
      ],
    ];
    for (const [reason, bytes] of cases)
      expect(refusal({ zipFile }, { [zipFile]: bytes }), String(reason)).toMatch(reason);
    expect(refusal({ zipFile }, {})).toBe("zipFile: site.zip cannot be read: ENOENT");
  });
});

describe("an identity from the authority's key", () => {
  const identity = { authorityKeyFile: "authority.key", authorityFile: "authority.pem" };

  it("is the authority's, which gives the site its certificate", () => {
    const files = { "authority.key": authorityKey, "authority.pem": authority.certificate };
    expect(read(identity, files)).toEqual({ authority: authority.certificate, authorityKey });
  });

  it("passes on the certificates of a file alone", () => {
    const files = {
      "authority.key": authorityKey,
      "authority.pem": `# ours\n${authority.certificate}text\n`,
    };
    expect(read(identity, files)).toEqual({ authority: authority.certificate, authorityKey });
    expect(refusal(identity, { ...files, "authority.pem": authority.certificate + authorityKey })).toMatch(
      /^authorityFile: has a line that belongs to no certificate in PEM: -----BEGIN PRIVATE KEY-----/,
    );
  });

  it("is refused if the key is none, another's, or signs differently each time", () => {
    const { privateKey: rsa } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const cases: [RegExp, string][] = [
      [/^authorityKeyFile: holds no private key/, "text"],
      [/^authorityKeyFile: is a key of rsa; .* take an Ed25519 one/, rsa],
      [/^authorityKeyFile: is no key of the first certificate in authorityFile/, own.privateKey],
    ];
    for (const [reason, key] of cases)
      expect(
        refusal(identity, { "authority.key": key, "authority.pem": authority.certificate }),
        String(reason),
      ).toMatch(reason);
    expect(refusal({ ...identity, revocationsFile: "list.pem" }, { "authority.key": authorityKey })).toMatch(
      /^revocationsFile: is of no use with authorityKeyFile/,
    );
  });
});
