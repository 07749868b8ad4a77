import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { plain } from "../../cli/sample";
import { Secrets } from "../../components/secrets/secrets";
import * as x509 from "../../components/secrets/x509";
import type { WireContext } from "../../components/wire/context";
import { predecessors, Wire, type WireArgs } from "../../components/wire/wire";
import type { Values } from "../stacks";
import { acceptHooks } from "./hooks";

/** What differs from the deployment that the drills begin with. */
interface Edit {
  readonly context?: Partial<WireContext>;
  readonly values?: WireArgs["values"];
  /** Names of passwords that are made anew. */
  readonly rotated?: readonly string[];
  /** Charts that have other files now. */
  readonly charts?: readonly string[];
  readonly policies?: WireArgs["policies"];
}

interface Registered {
  readonly type: string;
  readonly inputs: Values;
}

const signature = "4dabf18193072939515e22adb298388d";
/** The marks of secrets, wherever they are: the engine takes them off. */
const unmarked = (value: any): any =>
  value?.[signature]
    ? unmarked(value.value)
    : Array.isArray(value)
      ? value.map(unmarked)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unmarked(inner)]))
        : value;

async function runWire(edit: Edit = {}): Promise<{ resources: Map<string, Registered>; wire: Wire }> {
  const resources = new Map<string, Registered>();
  acceptHooks();
  await pulumi.runtime.setMocks(
    {
      call: () => ({}),
      newResource: ({ type, name, inputs }) => {
        resources.set(name, { type, inputs });
        const result = `${edit.rotated?.includes(name) ? "new" : ""}${name.replaceAll("-", "")}`.padEnd(
          128,
          "x",
        );
        return {
          id: `${name}-id`,
          state: {
            ...unmarked(inputs),
            result,
            bcryptHash: `$2a$10$${result.slice(0, 53)}`,
            status: { status: "deployed", version: "1.2.3", revision: 4 },
          },
        };
      },
    },
    "wiab-staging",
    "staging",
    false,
  );
  const secrets = new Secrets("secrets", { sshKeyComment: "test", authorityName: "test" });
  const { minio, postgresql, rabbitmq } = plain.services;
  const context: WireContext = {
    ...plain,
    tls: { kind: "own", certificate: certificates[0], privateKey: pulumi.secret("key one") },
    services: {
      ...plain.services,
      minio: { ...minio, ...secrets.minio.cargohold },
      postgresql: { ...postgresql, password: secrets.postgresql.wireServer },
      rabbitmq: { ...rabbitmq, password: secrets.rabbitmq.password },
    },
    secrets,
    ...edit.context,
  };
  const wire = new Wire("wire", {
    context,
    chart: (release) => ({
      chart: `charts/${release}`,
      fingerprint: edit.charts?.includes(release) ? "changed" : "same",
    }),
    values: edit.values,
    policies: edit.policies,
    provider: new kubernetes.Provider("kubernetes", { kubeconfig: "none" }),
    images: secrets,
    kubeconfig: pulumi.output("none"),
    viewpoint: { kind: "local" },
    callingTarget: context.callingNode && { kind: "local" },
    firstMediaPort: 32768,
    hostPorts: [],
    firewall: secrets,
  });
  await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
  return { resources, wire };
}

let certificates: [string, string];

async function certify(): Promise<string> {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ keys, name: "CN=test" });
  return certificate.toString("pem");
}

const releaseType = "kubernetes:helm.sh/v3:Release";

/** What an edit changes of what is deployed, besides the passwords themselves. */
async function changed(edit: Edit): Promise<string[]> {
  const { resources: after } = await runWire(edit);
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .filter((name) => name.startsWith("wire-"))
    .filter((name) => JSON.stringify(before.get(name)?.inputs) !== JSON.stringify(after.get(name)?.inputs))
    .map((name) => `${before.has(name) ? (after.has(name) ? "~" : "-") : "+"} ${name}`)
    .sort();
}

let before: Map<string, Registered>;
let wire: Wire;

beforeAll(async () => {
  certificates = [await certify(), await certify()];
  ({ resources: before, wire } = await runWire());
});

const valuesOf = (release: string): Values => unmarked(before.get(`wire-${release}`)?.inputs.values);

describe("Wire's releases", () => {
  it("are 17 with a certificate of one's own, in the namespace of upstream's", () => {
    const names = [...before].filter(([, { type }]) => type === releaseType).map(([name]) => name);
    expect(names.sort()).toEqual(
      Object.keys(predecessors)
        .filter((name) => !["cert-manager", "smallstep-accomp"].includes(name))
        .map((name) => `wire-${name}`)
        .sort(),
    );
    for (const name of names) expect(before.get(name)?.inputs.namespace).toBe("default");
  });

  it("wait for one another only where they have to", () => {
    const free = Object.entries(predecessors).filter(([, earlier]) => earlier.length === 0);
    expect(free.map(([name]) => name)).toHaveLength(15);
    expect(predecessors.webapp).not.toContain("wire-server");
  });

  it("get each password where it is needed, and nothing else", () => {
    const server = valuesOf("wire-server");
    const passwords = ["brig", "galley", "background-worker"].map((name) => server[name].secrets.pgPassword);
    expect(new Set(passwords).size).toBe(1);
    expect(passwords[0]).toMatch(/^secretspostgresqlwireserver/);
    expect(server.brig.secrets.turn.secret).toMatch(/^secretsturn/);
    expect(valuesOf("coturn").secrets.zrestSecrets).toEqual([server.brig.secrets.turn.secret]);
    expect(server.nginz.secrets.zAuth.publicKeys).toBe(server.brig.secrets.zAuth.publicKeys);
    expect(valuesOf("postgresql-external").cronJob.env.PGPASSWORD).toMatch(/^secretspostgresqlrepmgr/);
  });

  it("find PostgreSQL's passwords in the Kubernetes secrets that Wire's own deployment makes", () => {
    const secretOf = (name: string) => {
      const inputs = before.get(`wire-${name}`)?.inputs ?? {};
      // Encrypted in the state.
      expect(inputs.stringData[signature], name).toBeDefined();
      return { ...unmarked(inputs.metadata), ...unmarked(inputs.stringData) };
    };
    expect(secretOf("postgresql-repmgr")).toEqual({
      ...{ name: "repmgr-postgresql-secret", namespace: "default", username: "repmgr", database: "repmgr" },
      password: valuesOf("postgresql-external").cronJob.env.PGPASSWORD,
    });
    expect(secretOf("postgresql-wire-server")).toEqual({
      ...{ name: "wire-postgresql-external-secret", namespace: "default" },
      ...{ username: "wire-server", database: "wire-server" },
      password: valuesOf("wire-server").brig.secrets.pgPassword,
    });
  });

  it("mark as secret what is one", () => {
    const marked = (value: any, path: string): string[] =>
      value?.[signature]
        ? [path]
        : typeof value === "object" && value !== null
          ? Object.entries(value).flatMap(([key, inner]) => marked(inner, path ? `${path}.${key}` : key))
          : [];
    const secretsOf = (release: string) => marked(before.get(`wire-${release}`)?.inputs.values, "").sort();
    // The SDK marks a property as a whole where a secret is inside; the provider keeps it so in the state.
    for (const release of ["wire-server", "coturn", "sftd", "nginx-ingress-services", "postgresql-external"])
      expect(secretsOf(release), release).not.toEqual([]);
    expect(secretsOf("webapp")).toEqual([]);
  });

  it("have the list of relays that coturn is one of", () => {
    expect(valuesOf("wire-server").brig.turnStatic).toEqual({
      v1: [],
      v2: ["turn:203.0.113.10:3478", "turn:203.0.113.10:3478?transport=tcp"],
    });
    expect(valuesOf("coturn")).toMatchObject({
      coturnTurnExternalIP: "203.0.113.10",
      coturnTurnListenIP: "192.168.122.23",
      nodeSelector: { "kubernetes.io/hostname": "kubenode3" },
    });
  });

  it("use one certificate for all names, calling's too", () => {
    expect(valuesOf("nginx-ingress-services").secrets).toEqual({
      tlsWildcardCert: certificates[0],
      tlsWildcardKey: "key one",
    });
    expect(valuesOf("sftd").tls).toEqual({ crt: certificates[0], key: "key one" });
  });

  it("ask cert-manager for certificates with Let's Encrypt, and for none of one's own", async () => {
    const { resources } = await runWire({
      context: { tls: { kind: "acme", email: "admin@wire.test", production: false } },
    });
    const of = (release: string) => unmarked(resources.get(`wire-${release}`)?.inputs);
    expect(of("cert-manager")).toMatchObject({ namespace: "cert-manager-ns", createNamespace: true });
    const issuer = { name: "letsencrypt-http01-staging", kind: "ClusterIssuer" };
    expect(of("nginx-ingress-services").values).toMatchObject({
      tls: { useCertManager: true, issuer },
      certManager: { inTestMode: true, certmasterEmail: "admin@wire.test" },
    });
    expect(of("nginx-ingress-services").values.secrets).toBeUndefined();
    expect(of("sftd").values.tls).toEqual({ issuerRef: issuer });
  });

  it("say where everything is", () => {
    expect(wire.urls).toMatchObject({
      webapp: "https://webapp.wire.test",
      "nginz-https": "https://nginz-https.wire.test",
    });
    expect(wire.sftUrl).toBe("https://sftd.wire.test");
    expect(wire.adminCommands.createTeamAndOwner).toContain('"team":{');
  });
});

describe("an edit changes what it has to and no more", () => {
  const everyPage = ["~ wire-account-pages", "~ wire-team-settings", "~ wire-webapp"];

  it("nothing: nothing", async () => {
    expect(await changed({})).toEqual([]);
  });

  it("the domain", async () => {
    expect(await changed({ context: { domain: "other.test" } })).toEqual(
      [
        ...everyPage,
        "~ wire-front",
        "~ wire-nginx-ingress-services",
        "~ wire-sftd",
        "~ wire-smtp",
        "~ wire-wire-server",
      ].sort(),
    );
  });

  it("a password of PostgreSQL", async () => {
    expect(await changed({ rotated: ["secrets-postgresql-wire-server"] })).toEqual([
      "~ wire-postgresql-wire-server",
      "~ wire-wire-server",
    ]);
    expect(await changed({ rotated: ["secrets-postgresql-repmgr"] })).toEqual([
      "~ wire-postgresql-external",
      "~ wire-postgresql-repmgr",
    ]);
  });

  it("the secret of the relay", async () => {
    expect(await changed({ rotated: ["secrets-turn"] })).toEqual(["~ wire-coturn", "~ wire-wire-server"]);
  });

  it("a password of RabbitMQ or MinIO", async () => {
    expect(await changed({ rotated: ["secrets-rabbitmq"] })).toEqual(["~ wire-wire-server"]);
    expect(await changed({ rotated: ["secrets-minio-cargohold-secret-key"] })).toEqual([
      "~ wire-wire-server",
    ]);
    expect(await changed({ rotated: ["secrets-minio-root-secret-key"] })).toEqual([]);
  });

  it("the certificate", async () => {
    expect(
      await changed({
        context: { tls: { kind: "own", certificate: certificates[1], privateKey: pulumi.secret("key two") } },
      }),
    ).toEqual(["~ wire-front", "~ wire-nginx-ingress-services", "~ wire-sftd"]);
  });

  it("calling, switched off", async () => {
    expect(await changed({ context: { callingNode: undefined } })).toEqual([
      "- wire-calling-ports",
      "- wire-coturn",
      "- wire-sftd",
      "~ wire-front",
      "~ wire-wire-server",
    ]);
  });

  it("one value", async () => {
    expect(await changed({ values: { webapp: { replicaCount: 1 } } })).toEqual(["~ wire-webapp"]);
    expect(await changed({ values: { "wire-server": { brig: { replicaCount: 5 } } } })).toEqual([
      "~ wire-wire-server",
    ]);
  });

  it("a chart's files", async () => {
    expect(await changed({ charts: ["reaper"] })).toEqual(["~ wire-reaper"]);
  });
});

it("makes network policies where they are enforced, and no release waits for them or changes", async () => {
  expect(await changed({ policies: { datanodes: ["192.168.122.31"] } })).toEqual(
    ["backend", "clients", "data", "federation", "outgoing", "redis"].map(
      (policy) => `+ wire-policy-wire-${policy}`,
    ),
  );
});
