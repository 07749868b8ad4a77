import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { Helm } from "../../bundle/charts/helm";
import { imagesIn } from "../../bundle/charts/images";
import { Workshop } from "../../bundle/workshop";
import { releasesOf, samples, valuesOf } from "../../cli/sample";
import { namespaceOf, type ReleaseName } from "../../components/config/releases";
import { findChart } from "../../components/wire/charts";
import { chartRelease, imageFacts } from "../../components/wire/facts";
import { authoritySecret } from "../../components/wire/releases/databases";
import { mergeValues } from "../../components/wire/values";
import { projectDirectory } from "../../toolchain/environment";

// What Wire's own charts make of the stack's values, as its services read it. It takes a folder of those charts, as
// charts:check does: WIRE_CHARTS=DIR npm test -- scripts.

const directory = process.env.WIRE_CHARTS;
if (!directory)
  console.warn(
    "Wire's charts were not looked at: WIRE_CHARTS names no folder of them, as charts:check takes it",
  );

interface Thing {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [key: string]: any;
}

describe.skipIf(!directory).each(samples)("Wire's charts with $name", (sample) => {
  const scratch = mkdtempSync(join(tmpdir(), "wiab-wire-charts-"));
  const tls = sample.context.services.cassandra.authority !== undefined;
  let values: any;
  const things: Thing[] = [];

  beforeAll(async () => {
    const source = { directory: directory as string };
    const helm = await Helm.open(new Workshop(projectDirectory, false), join(scratch, "helm"));
    for (const release of [
      "wire-server",
      "nginx-ingress-services",
      "sftd",
      "coturn",
    ] as const satisfies ReleaseName[]) {
      const file = join(scratch, `${release}.yaml`);
      const its = await valuesOf(release, sample, chartRelease(source).facts);
      if (release === "wire-server") values = its;
      writeFileSync(file, stringify(its));
      const { chart } = findChart(source, release);
      const options = ["--namespace", namespaceOf(release), "--skip-tests", "--values", file];
      const text = await helm.run("template", release, chart, ...options);
      for (const document of parseAllDocuments(text, { uniqueKeys: false }))
        if (document.toJS()) things.push(document.toJS());
    }
  }, 120_000);
  afterAll(() => rmSync(scratch, { recursive: true }));

  it("every image is one that the release packs", async () => {
    const source = { directory: directory as string };
    const { release = "", facts } = chartRelease(source);
    const { helm: packed = {}, values: chosen = {} } = imageFacts(release) ?? {};
    const helm = await Helm.open(new Workshop(projectDirectory, false), join(scratch, "helm"));
    const unpacked: string[] = [];
    for (const name of releasesOf(sample).filter((each) => packed[each])) {
      const file = join(scratch, `${name}.yaml`);
      writeFileSync(file, stringify(mergeValues(chosen[name] ?? {}, await valuesOf(name, sample, facts))));
      const { chart } = findChart(source, name);
      const text = await helm.run("template", name, chart, "--skip-tests", "--values", file);
      unpacked.push(...imagesIn(text).filter((image) => !packed[name]?.includes(image)));
    }
    expect(unpacked).toEqual([]);
  }, 120_000);

  const named = (kind: string, name: string): Thing => {
    const found = things.find((thing) => thing.kind === kind && thing.metadata.name === name);
    if (!found) throw new Error(`the charts make no ${kind} ${name}`);
    return found;
  };
  /** What a service reads as its configuration. */
  const configuration = (service: string) => parse(named("ConfigMap", service).data[`${service}.yaml`]);
  /** A secret by its keys, in the clear. */
  const secret = (name: string): Record<string, string> => {
    const { data, stringData } = named("Secret", name);
    const decoded = Object.entries(data ?? {}).map(([key, text]) => [
      key,
      Buffer.from(`${text}`, "base64").toString(),
    ]);
    return { ...Object.fromEntries(decoded), ...stringData };
  };

  it.each(["brig", "galley", "gundeck", "spar", "cannon", "background-worker"])(
    "%s finds Cassandra where the stack has it",
    (service) => {
      const { endpoint, tlsCa } = configuration(service).cassandra;
      expect(endpoint).toEqual({ host: "cassandra-external", port: 9042 });
      expect(tlsCa !== undefined).toBe(tls);
    },
  );

  // Of galley's, a chart makes use with federation alone.
  const talkToRabbitmq = ["brig", "gundeck", "cannon", "background-worker"];
  it.each(sample.context.federation ? [...talkToRabbitmq, "galley"] : talkToRabbitmq)(
    "%s finds RabbitMQ, and logs in as the stack's user",
    (service) => {
      expect(configuration(service).rabbitmq).toMatchObject({
        ...{ host: "rabbitmq-external", port: tls ? 5671 : 5672, vHost: "/", enableTls: tls },
      });
      const keys = things
        .filter(({ kind, metadata }) => kind === "Secret" && metadata.name.startsWith(service))
        .map(({ metadata }) => secret(metadata.name));
      expect(Object.assign({}, ...keys)).toMatchObject({
        ...{ rabbitmqUsername: "wire-server", rabbitmqPassword: "rabbitmq-password" },
      });
    },
  );

  it.each(["brig", "galley"])("%s finds PostgreSQL's primary, and logs in as the stack's user", (service) => {
    const { postgresql, postgresqlPassword } = configuration(service);
    expect(postgresql).toEqual({
      ...{ host: "postgresql-external-rw", port: "5432", user: "wire-server", dbname: "wire-server" },
      ...(tls && { sslmode: "require" }),
    });
    expect(postgresqlPassword).toBe(`/etc/wire/${service}/secrets/pgPassword`);
    expect(secret(service).pgPassword).toBe("postgresql-password");
  });

  it("brig finds Elasticsearch, the mail server and the relays, and hands out its secrets' own", () => {
    const { elasticsearch, emailSMS } = configuration("brig");
    expect(elasticsearch).toMatchObject({
      url: `${tls ? "https" : "http"}://elasticsearch-external:9200`,
      index: "directory",
    });
    const { host, port, username } = values.brig.config.smtp;
    expect(emailSMS.email.smtpEndpoint).toEqual({ host, port });
    if (username) expect(emailSMS.email.smtpCredentials.smtpUsername).toBe(username);
    expect(named("ConfigMap", "turn").data["turn-servers-v2.txt"].trim().split("\n")).toEqual(
      values.brig.turnStatic.v2,
    );
    expect(secret("brig")).toMatchObject({
      ...{ "turn-secret.txt": "turn", "secretkey.txt": "private", "publickey.txt": "public" },
      "smtp-password.txt": "smtp-password",
    });
  });

  it("galley has the keys of groups, gundeck its queue and Redis, cargohold MinIO", () => {
    expect(Object.keys(secret("galley")).filter((key) => key.startsWith("removal_"))).toHaveLength(4);
    const { redis, aws } = configuration("gundeck");
    expect(redis).toMatchObject({ host: "databases-ephemeral-redis-ephemeral", port: 6379 });
    expect(aws.sqsEndpoint).toBe("http://fake-aws-sqs:4568");
    expect(configuration("cargohold").aws).toMatchObject({
      s3Bucket: "assets",
      s3Endpoint: "http://minio-external:9000",
      s3DownloadEndpoint: "https://assets.wire.test",
    });
    expect(secret("cargohold")).toMatchObject({ awsKeyId: "access", awsSecretKey: "secret" });
  });

  it("nginz lets the stack's pages in and knows its tokens' key", () => {
    const { data } = named("ConfigMap", "nginz");
    for (const name of ["webapp", "teams", "account"])
      expect(data["nginx.conf"]).toContain(`${name}.wire.test`);
    expect(secret("nginz")["zauth.conf"]).toBe("public");
    expect(secret("nginz")["basic_auth.txt"]).toBe("wire:hash");
  });

  it("sftd and coturn are on the calling node's own network", () => {
    for (const name of ["sftd", "coturn"]) {
      const { hostNetwork, nodeSelector } = named("StatefulSet", name).spec.template.spec;
      expect({ hostNetwork, nodeSelector }).toEqual({
        ...{ hostNetwork: true, nodeSelector: { "kubernetes.io/hostname": "kubenode3" } },
      });
    }
    const text: string = named("ConfigMap", "coturn").data["coturn.conf.template"];
    expect(text).toContain("relay-ip=192.168.122.23\n");
    expect(text).toContain("external-ip=203.0.113.10\n");
    expect(secret("coturn")["zrest_secret.txt"]?.trim()).toBe("turn");
  });

  it("every secret and every key that a pod refers to is there", () => {
    const there = new Map(
      things
        .filter(({ kind }) => kind === "Secret")
        .map(({ metadata }) => [metadata.name, Object.keys(secret(metadata.name))]),
    );
    for (const { kind, spec } of things)
      if (kind === "Certificate") there.set(spec.secretName, ["tls.crt", "tls.key"]);
    there.set(authoritySecret.name, [authoritySecret.key]);
    const lacking: string[] = [];
    const walk = (value: any): void => {
      if (typeof value !== "object" || value === null) return;
      const { secretKeyRef, secretName } = value;
      if (secretKeyRef && !there.get(secretKeyRef.name)?.includes(secretKeyRef.key))
        lacking.push(`${secretKeyRef.name}: ${secretKeyRef.key}`);
      if (typeof secretName === "string" && !there.has(secretName)) lacking.push(secretName);
      for (const child of Object.values(value)) walk(child);
    };
    for (const thing of things) walk(thing.spec?.template);
    expect(lacking).toEqual([]);
  });
});
