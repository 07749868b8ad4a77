import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  bytesFromText,
  ecdsaFromRandom,
  ed25519FromSeed,
  openSshEd25519,
  pkcs8Pem,
  zauthKeyPair,
} from "../../components/secrets/keys";
import type { Secrets, SecretsArgs } from "../../components/secrets/secrets";

/**
 * Every child, its length and the outputs that come from it. A name that is not found here any more is a
 * secret that existing deployments lose.
 */
const children: Record<string, { length: number; outputs: string[] }> = {
  "minio-root-access-key": { length: 20, outputs: ["minio.root.accessKey"] },
  "minio-root-secret-key": { length: 42, outputs: ["minio.root.secretKey"] },
  "minio-cargohold-access-key": { length: 20, outputs: ["minio.cargohold.accessKey"] },
  "minio-cargohold-secret-key": { length: 30, outputs: ["minio.cargohold.secretKey"] },
  turn: { length: 64, outputs: ["turn.secret"] },
  zauth: { length: 128, outputs: ["zauth.privateKeys", "zauth.publicKeys"] },
  "mls-removal-ed25519": { length: 128, outputs: ["mls.removal.ed25519"] },
  "mls-removal-p256": { length: 128, outputs: ["mls.removal.ecdsa_secp256r1_sha256"] },
  "mls-removal-p384": { length: 128, outputs: ["mls.removal.ecdsa_secp384r1_sha384"] },
  "mls-removal-p521": { length: 128, outputs: ["mls.removal.ecdsa_secp521r1_sha512"] },
  "postgresql-wire-server": { length: 32, outputs: ["postgresql.wireServer"] },
  "postgresql-repmgr": { length: 32, outputs: ["postgresql.repmgr"] },
  rabbitmq: { length: 32, outputs: ["rabbitmq.password"] },
  "rabbitmq-erlang-cookie": { length: 32, outputs: ["rabbitmq.erlangCookie"] },
  "nginz-basic-auth": { length: 42, outputs: ["nginz.basicAuth", "nginz.password"] },
  smtp: { length: 32, outputs: ["smtp.password"] },
  prometheus: { length: 16, outputs: ["prometheus.password"] },
  authority: { length: 128, outputs: ["authority.certificate", "backups.certificate"] },
  "kubernetes-authority": { length: 128, outputs: ["kubernetes.authority"] },
  "kubernetes-etcd": { length: 128, outputs: ["kubernetes.etcd"] },
  "kubernetes-front-proxy": { length: 128, outputs: ["kubernetes.frontProxy"] },
  "kubernetes-service-accounts": { length: 128, outputs: ["kubernetes.serviceAccounts"] },
  "kubernetes-admin": { length: 128, outputs: ["kubernetes.admin"] },
  registry: { length: 32, outputs: ["registry.password"] },
  backups: { length: 128, outputs: ["backups.certificate", "backups.privateKey"] },
  ssh: { length: 128, outputs: ["ssh.privateKey", "ssh.publicKey"] },
};
const publicOutputs = ["authority.certificate", "backups.certificate", "ssh.publicKey", "zauth.publicKeys"];

/** What the provider of this test generates for a child: its name, then filling. */
const generated = (child: string, filling = "x") =>
  `secrets-${child}`.replaceAll("-", "").padEnd(128, filling);

const resources: pulumi.runtime.MockResourceArgs[] = [];
let filling: Record<string, string> = {};
let component: typeof Secrets;

beforeAll(async () => {
  await pulumi.runtime.setMocks({
    call: () => ({}),
    newResource: (resource) => {
      resources.push(resource);
      if (!resource.custom) return { id: resource.name, state: {} };
      const child = resource.name.replace(/^secrets-/, "");
      const result = generated(child, filling[child]);
      // Unlike the real provider this one does not say that its results are secrets: the component has to.
      return {
        id: "none",
        state: { ...resource.inputs, result, bcryptHash: `$2a$10$${result.slice(0, 53)}` },
      };
    },
  });
  component = (await import("../../components/secrets/secrets")).Secrets;
});

beforeEach(() => {
  resources.length = 0;
  filling = {};
});

const create = (args: Partial<SecretsArgs> = {}) =>
  new component("secrets", {
    sshKeyComment: "wiab-staging/test",
    authorityName: "wire.example.com",
    ...args,
  });

/** The outputs and constants of the component, by their paths. */
function leaves(secrets: Secrets): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const walk = (value: unknown, path: string) => {
    if (typeof value !== "object" || value === null || pulumi.Output.isInstance(value))
      found.set(path, value);
    else for (const [key, child] of Object.entries(value)) walk(child, path ? `${path}.${key}` : key);
  };
  for (const [key, value] of Object.entries(secrets)) {
    if (!key.startsWith("__") && key !== "urn") walk(value, key);
  }
  return found;
}

/** The value of an output, or of a constant. */
const resolved = (leaf: unknown) =>
  new Promise((resolve) => pulumi.output({ leaf }).apply((value) => resolve(value.leaf)));

async function values(secrets: Secrets): Promise<Record<string, unknown>> {
  const entries = [...leaves(secrets)].map(async ([path, output]) => [path, await resolved(output)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

describe("the secrets of a deployment", () => {
  let original: Record<string, unknown>;
  beforeAll(async () => {
    original = await values(create());
  });

  it("come from these resources and no others", async () => {
    await values(create());
    expect(resources.filter(({ custom }) => !custom).map(({ type, name }) => [type, name])).toEqual([
      ["wiab:secrets:Secrets", "secrets"],
    ]);
    const made = resources.filter(({ custom }) => custom);
    expect(new Set(made.map(({ type }) => type))).toEqual(
      new Set(["random:index/randomPassword:RandomPassword"]),
    );
    expect(Object.fromEntries(made.map(({ name, inputs }) => [name, inputs]))).toEqual(
      Object.fromEntries(
        // Letters and digits are what is left without special characters.
        Object.entries(children).map(([child, { length }]) => [
          `secrets-${child}`,
          { length, special: false },
        ]),
      ),
    );
    expect(made).toHaveLength(Object.keys(children).length);
  });

  it("are secrets to the engine, all but the public keys", async () => {
    const marked = await Promise.all(
      [...leaves(create())]
        .filter(([, output]) => pulumi.Output.isInstance(output))
        .map(async ([path, output]) => [path, await pulumi.isSecret(output as pulumi.Output<unknown>)]),
    );
    const everyOutput = Object.values(children).flatMap(({ outputs }) => outputs);
    expect(Object.fromEntries(marked)).toEqual(
      Object.fromEntries(everyOutput.map((path) => [path, !publicOutputs.includes(path)])),
    );
  });

  it("stand beside these constants, which protect nothing", async () => {
    const constants = [...leaves(create())].filter(([, value]) => !pulumi.Output.isInstance(value));
    expect(Object.fromEntries(constants)).toEqual({
      "fakeAws.awsKeyId": "dummykey",
      "fakeAws.awsSecretKey": "dummysecret",
      "teamSettings.configJson": "e30K",
      "rabbitmq.username": "wire-server",
      "nginz.username": "wire",
      "prometheus.username": "admin",
      "registry.username": "wiab",
    });
  });

  it.each(Object.entries(children))(
    "rotate one at a time: a new %s changes its outputs alone",
    async (child, { outputs }) => {
      filling = { [child]: "y" };
      const after = await values(create());
      const changed = Object.keys(original).filter((path) => original[path] !== after[path]);
      expect(changed.sort()).toEqual(outputs);
    },
  );

  it("are the generated texts as they are, where text is wanted", async () => {
    const found = await values(create());
    expect(found["minio.root.accessKey"]).toBe(generated("minio-root-access-key"));
    expect(found["minio.cargohold.secretKey"]).toBe(generated("minio-cargohold-secret-key"));
    expect(found["turn.secret"]).toBe(generated("turn"));
    expect(found["rabbitmq.erlangCookie"]).toBe(generated("rabbitmq-erlang-cookie"));
    expect(found["nginz.basicAuth"]).toBe(`wire:$2a$10$${generated("nginz-basic-auth").slice(0, 53)}`);
  });

  it("are keys derived from the generated texts, where keys are wanted", async () => {
    const found = await values(create());
    const seed = (child: string) => bytesFromText(generated(child), 32);
    const zauth = zauthKeyPair(seed("zauth"));
    expect([found["zauth.privateKeys"], found["zauth.publicKeys"]]).toEqual([
      zauth.privateKey,
      zauth.publicKey,
    ]);
    const ssh = openSshEd25519(seed("ssh"), "wiab-staging/test");
    expect([found["ssh.privateKey"], found["ssh.publicKey"]]).toEqual([ssh.privateKey, ssh.publicKey]);
    expect(found["mls.removal.ed25519"]).toBe(pkcs8Pem(ed25519FromSeed(seed("mls-removal-ed25519"))));
    for (const [curve, bytes, child, output] of [
      ["P-256", 40, "mls-removal-p256", "ecdsa_secp256r1_sha256"],
      ["P-384", 56, "mls-removal-p384", "ecdsa_secp384r1_sha384"],
      ["P-521", 74, "mls-removal-p521", "ecdsa_secp521r1_sha512"],
    ] as const) {
      const key = ecdsaFromRandom(curve, bytesFromText(generated(child), bytes));
      expect(found[`mls.removal.${output}`]).toBe(pkcs8Pem(key));
    }
  });
});

describe("a password for the SMTP server", () => {
  it("that is configured is used, as a secret, and none is generated", async () => {
    const secrets = create({ smtpPassword: "given" });
    expect((await values(secrets))["smtp.password"]).toBe("given");
    expect(await pulumi.isSecret(secrets.smtp.password)).toBe(true);
    expect(resources.map(({ name }) => name)).not.toContain("secrets-smtp");
  });
});
