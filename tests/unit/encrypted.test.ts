import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { encryptedBelow, keepSecret, leavesOf, type Path } from "../../components/validation/encrypted";
import { ConfigurationError, validate } from "../../components/validation/validate";
import { stagingValues, surroundings, type Values } from "../stacks";

const secure = { secure: "v1:AAAA:BBBB" };

describe("which values are encrypted", () => {
  it("is what the stack's file says", () => {
    const stored = { values: { brig: { replicaCount: 2, secrets: { a: secure, b: [1, secure] } } } };
    const value = { values: { brig: { replicaCount: 2, secrets: { a: "x", b: [1, "y"] } } } };
    expect(encryptedBelow("wire", value, stored)).toEqual([
      ["wire", "values", "brig", "secrets", "a"],
      ["wire", "values", "brig", "secrets", "b", 1],
    ]);
    expect(encryptedBelow("mail", { relay: { password: "x" } }, secure)).toEqual([["mail"]]);
  });

  it.each([
    ["there is no such file", undefined],
    ["another plain value", { a: secure, b: 2 }],
    ["another key", { a: secure, c: 1 }],
    ["one key more", { a: secure, b: 1, c: 1 }],
    ["a list in place of a section", [secure, 1]],
  ])("is everything below the key where the file cannot be the one that was used: %s", (_, stored) => {
    expect(encryptedBelow("wire", { a: "x", b: 1 }, stored)).toEqual([["wire"]]);
  });
});

describe("values that were stored encrypted", () => {
  const secretPlaces = async (values: Values, encrypted: Path[]): Promise<string[]> => {
    const leaves = leavesOf(keepSecret(values, encrypted, [])).map(async ({ path, value }) =>
      pulumi.Output.isInstance(value) && (await pulumi.isSecret(value)) ? [path.join(".")] : [],
    );
    return (await Promise.all(leaves)).flat();
  };

  it("are secrets, and nothing else is", async () => {
    const values = { a: { b: "x", c: [{ d: 1 }, "y"] }, e: "z" };
    expect(await secretPlaces(values, [["a", "b"]])).toEqual(["a.b"]);
    expect(await secretPlaces(values, [["a", "c", 0]])).toEqual(["a.c.0.d"]);
    expect(await secretPlaces(values, [["a"]])).toEqual(["a.b", "a.c.0.d", "a.c.1"]);
    expect(keepSecret(values, [], [])).toEqual(values);
  });
});

/** What is refused of the staging configuration with some values, some of them encrypted. */
function refused(change: (values: Values) => void, encrypted: Path[] = []): string[] {
  const values = stagingValues();
  change(values);
  try {
    validate(values, { ...surroundings, encrypted });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.problems.map(({ key, message }) => `${key}: ${message}`);
  }
  return [];
}

const wireValues = (values: Values) => (config: Values) => (config.wire = { values });

describe("a secret in plain text", () => {
  it.each<[string, Values, string]>([
    ["a password", { webapp: { smtp: { password: "hunter2" } } }, "wire.values.webapp.smtp.password"],
    ["a password of digits", { webapp: { pgPassword: 12345 } }, "wire.values.webapp.pgPassword"],
    ["a token", { webapp: { apiToken: "x" } }, "wire.values.webapp.apiToken"],
    ["an access key", { webapp: { aws: { secret_key: "x" } } }, "wire.values.webapp.aws.secret_key"],
    [
      "whatever is in a section of secrets",
      { "wire-server": { brig: { secrets: { smtp: { salt: "x" } } } } },
      'wire.values["wire-server"].brig.secrets.smtp.salt',
    ],
    [
      "a variable of the environment",
      {
        webapp: {
          env: [
            { name: "A", value: "x" },
            { name: "DB_PASSWORD", value: "x" },
          ],
        },
      },
      "wire.values.webapp.env[1].value",
    ],
    [
      "a private key under any name",
      { webapp: { extra: "-----BEGIN EC PRIVATE KEY-----\nAAAA" } },
      "wire.values.webapp.extra",
    ],
    ["a URL with a password", { webapp: { url: "amqp://me:pass@x/y" } }, "wire.values.webapp.url"],
  ])("is refused, with how to encrypt it: %s", (_, values, place) => {
    const found = refused(wireValues(values));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/ in plain text; store it encrypted: /);
    expect(found[0]).toContain(`${place}: is`);
    expect(found[0]).toContain(`pulumi config set --secret --path '${place}'`);
    expect(refused(wireValues(values), [["wire"]])).toEqual([]);
  });

  it("is refused where nothing can be encrypted", () => {
    expect(refused((c) => (c.image.source = "https://me:pass@example.com/image.img"))).toEqual([
      expect.stringMatching(/^image\.source: has a URL with a password in it/),
    ]);
    expect(refused((c) => (c.image.source = "https://example.com/image.img?token=abcdef"))).toEqual([
      expect.stringMatching(/^image\.source: has a password or token in it/),
    ]);
  });

  it("is not seen in what only sounds like one", () => {
    const values = {
      webapp: {
        secretName: "x",
        tokenTimeout: 60,
        passwordResetUrl: "https://x",
        password: "",
        enabled: true,
      },
      "wire-server": { brig: { secrets: { zAuth: { publicKeys: "x" }, rabbitmq: { username: "x" } } } },
      coturn: { tls: { secretRef: "x" }, env: [{ name: "LEVEL", value: "info" }] },
    };
    expect(refused(wireValues(values))).toEqual([]);
  });
});

describe("an encrypted value that could not be kept secret", () => {
  it("is refused, with what to do", () => {
    expect(refused(() => {}, [["host", "ssh", "address"], ["domain"]])).toEqual([
      expect.stringMatching(
        /^host\.ssh\.address: is stored encrypted, and cannot be kept secret: .*--plaintext --path 'host\.ssh\.address'$/,
      ),
      expect.stringMatching(/^domain: is stored encrypted/),
    ]);
    const mail = (c: Values) =>
      (c.mail = { relay: { host: "mail.x.test", username: "me", password: "pass" } });
    expect(refused(mail, [["mail", "relay", "password"]])).toEqual([]);
    expect(refused(mail, [["mail", "relay", "username"]])).toEqual([
      expect.stringMatching(/^mail\.relay\.password: is a password in plain text/),
      expect.stringMatching(/^mail\.relay\.username: is stored encrypted/),
    ]);
  });
});
