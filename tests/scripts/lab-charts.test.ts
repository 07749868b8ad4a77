import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { Helm } from "../../bundle/charts/helm";
import { imagesOf } from "../../bundle/charts/images";
import { chartTree } from "../../bundle/charts/tree";
import { readSpecification } from "../../bundle/read";
import { buildGo } from "../../bundle/sources/program";
import type { GoSource } from "../../bundle/specification";
import { Workshop } from "../../bundle/workshop";
import { releasesOf, type Sample, samples, valuesOf } from "../../cli/sample";
import { namespaceOf, type ReleaseName } from "../../components/config/releases";
import { chartRelease } from "../../components/wire/facts";
import { mergeValues, type Values } from "../../components/wire/values";
import { run } from "../../toolchain/commands";

// The charts of the lab's bundle, rendered by Helm with the values that the real ones get.

const { specification, directory } = readSpecification(join(__dirname, "../../lab/bundle.yaml"));
const workshop = new Workshop(directory, false);
const { facts } = chartRelease({ directory: join(__dirname, "../../stand-in/charts") });
const sample = samples.find(({ name }) => name === "own certificate") as Sample;
const scratch = mkdtempSync(join(tmpdir(), "wiab-lab-charts-"));
let helm: Helm;

interface Thing {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly [key: string]: any;
}

beforeAll(async () => {
  helm = await Helm.open(workshop, join(scratch, "helm"));
});
afterAll(() => rmSync(scratch, { recursive: true }));

function listed(release: ReleaseName) {
  const chart = specification.charts.find(({ name }) => name === release);
  if (!chart) throw new Error(`lab/bundle.yaml has no chart ${release}`);
  return chart;
}

async function render(release: ReleaseName, change: Values = {}): Promise<Thing[]> {
  const file = join(scratch, `${release}.yaml`);
  writeFileSync(file, stringify(mergeValues(await valuesOf(release, sample, facts), change)));
  const chart = await chartTree(listed(release), workshop);
  const text = await helm.run(
    "template",
    release,
    chart,
    "--namespace",
    namespaceOf(release),
    "--values",
    file,
  );
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Thing | null)
    .filter((thing) => thing !== null);
}

let rendered: Promise<Thing[][]> | undefined;
const all = async (): Promise<Thing[]> => {
  rendered ??= Promise.all(releasesOf(sample).map((release) => render(release)));
  return (await rendered).flat();
};

/** What has pods: their template by its name. */
const workloads = (things: readonly Thing[]): Map<string, Thing> =>
  new Map(
    things
      .filter(({ kind }) => ["Deployment", "StatefulSet", "DaemonSet", "Job"].includes(kind))
      .map((thing) => [thing.metadata.name, thing.spec.template]),
  );

it("has a chart for each release of a deployment with a certificate of its own", async () => {
  for (const release of releasesOf(sample)) expect(await render(release), release).not.toEqual([]);
});

it("runs images of the lab's bundle alone, the same ones that the builder sees", async () => {
  const there = specification.images.map(({ reference }) => reference);
  const used = [...workloads(await all()).values()].flatMap(({ spec }) =>
    [...(spec.initContainers ?? []), ...spec.containers].map(({ image }) => image),
  );
  expect(used.length).toBeGreaterThan(15);
  expect(used.filter((image) => !there.includes(image))).toEqual([]);
  const seen = await Promise.all(
    specification.charts.map(async (chart) =>
      imagesOf(chart, await chartTree(chart, workshop), workshop, (note) => expect(note).toBe("")),
    ),
  );
  expect([...new Set(seen.flat())].sort()).toEqual([...new Set(used)].sort());
});

it("has the services that Wire's programs and charts look for, at their ports", async () => {
  const services = (await all()).filter(({ kind }) => kind === "Service");
  const ports = Object.fromEntries(
    services.map(({ metadata, spec }) => [
      metadata.name,
      spec.ports.map(({ port }: { port: number }) => port).sort(),
    ]),
  );
  expect(ports).toEqual({
    "cassandra-external": [9042],
    "elasticsearch-external": [9200],
    "minio-external": [9000],
    "postgresql-external-ro": [5432],
    "postgresql-external-rw": [5432],
    "rabbitmq-external": [5672],
    "databases-ephemeral-redis-ephemeral": [6379],
    "fake-aws-sqs": [4568],
    "fake-aws-sns": [4575],
    smtp: [25],
    brig: [8080],
    galley: [8080],
    gundeck: [8080],
    cannon: [8080],
    cargohold: [8080],
    spar: [8080],
    "background-worker": [8080],
    nginz: [8080, 8081, 8082],
    conformance: [8080],
    "webapp-http": [8080],
    "account-pages-http": [8080],
    "team-settings-http": [8080],
    "ingress-nginx-controller-ingress-nginx-controller": [443, 80],
    sftd: [8585],
    "sftd-join-call": [80],
    coturn: [3478, 3478],
  });
});

it("leads each public name to a port that a service has, and each service to pods or addresses", async () => {
  const things = await all();
  const services = things.filter(({ kind }) => kind === "Service");
  const pods = [...workloads(things).values()].map(({ metadata }) => metadata.labels);
  const slices = things.filter(({ kind }) => kind === "EndpointSlice");
  for (const { metadata, spec } of services)
    if (spec.selector)
      expect(
        pods.some((labels) => Object.entries(spec.selector).every(([key, value]) => labels[key] === value)),
        metadata.name,
      ).toBe(true);
    else
      expect(
        slices.find((slice) => slice.metadata.labels["kubernetes.io/service-name"] === metadata.name)
          ?.endpoints,
        metadata.name,
      ).not.toEqual([]);
  const names: Record<string, string> = {};
  for (const { spec } of things.filter(({ kind }) => kind === "Ingress"))
    for (const { host, http } of spec.rules)
      for (const { backend, path } of http.paths) {
        const { name, port } = backend.service;
        const service = services.find(({ metadata }) => metadata.name === name) as Thing;
        const found = service.spec.ports.some(
          (one: { name: string; port: number }) => one.name === port.name || one.port === port.number,
        );
        names[`${host}${path}`] = found ? name : `${name} without its port`;
      }
  expect(names).toEqual({
    "nginz-https.wire.test/": "nginz",
    "nginz-ssl.wire.test/": "nginz",
    "webapp.wire.test/": "webapp-http",
    "assets.wire.test/": "minio-external",
    "account.wire.test/": "account-pages-http",
    "teams.wire.test/": "team-settings-http",
    "sftd.wire.test/sft/": "sftd",
    "sftd.wire.test/sfts/": "sftd-join-call",
    "sftd.wire.test/sft_servers_all.json": "sftd-join-call",
  });
});

it("gives each service's stand-in the settings that it looks for, under the keys that it looks under", {
  timeout: 600_000,
}, async () => {
  const conformance = specification.binaries.find(({ name }) => name === "conformance")?.go as GoSource;
  const program = await buildGo(conformance, workshop);
  const things = await all();
  // But sftd's, which asks its node.
  const services = [...workloads(things)].filter(([, { spec }]) => {
    const [mode, service] = spec.containers[0].args ?? [];
    return mode === "serve" && service !== "--service=sftd";
  });
  const statuses = await Promise.all(
    services.map(async ([name, { spec }]) => {
      const given = things.filter(
        ({ kind, metadata }) => metadata.name === name && /ConfigMap|Secret/.test(kind),
      );
      const files = given.map(({ data, stringData }) => Object.entries<string>(data ?? stringData)[0] ?? []);
      const options = files.map(([file = "", text = ""]) => {
        writeFileSync(join(scratch, `${name}-${file}`), text);
        return `--${file.replace(".json", "")}=${join(scratch, `${name}-${file}`)}`;
      });
      // Without a network: what it would connect to may have a meaning on this one.
      const script = `
        ip link set lo up
        "$@" >/dev/null & program=$!
        for _ in {1..300}; do
          status=$(curl --silent --max-time 5 http://127.0.0.1:8080/i/status) && [[ $status != *"not tried yet"* ]] && break
          sleep 0.1
        done
        kill $program; echo "$status"`;
      return JSON.parse(
        await run("unshare", [
          "--net",
          "bash",
          "-ec",
          script,
          "bash",
          program,
          ...spec.containers[0].args,
          ...options,
        ]),
      );
    }),
  );
  const checks: [string, string | undefined][] = statuses.flatMap(({ service, checks }) =>
    checks.map(({ name, error }: { name: string; error?: string }) => [`${service} ${name}`, error]),
  );
  expect(checks.length).toBeGreaterThan(25);
  // Nobody is there to be connected to, and the sample has no real keys: this is as far as they come.
  const accepted = [
    /network is unreachable|failed to resolve any of the provided hostnames|^no pod of brig signs/,
    /^the first of the private keys of zauth is not|^ecdsa_secp256r1_sha256: asn1|^turn.secret has less/,
  ];
  expect(
    checks.filter(([, error]) => error !== undefined && !accepted.some((pattern) => pattern.test(error))),
  ).toEqual([]);
});

describe("a password", () => {
  const password = "a-password-that-nobody-may-see";
  const given = { secrets: { pgPassword: password } };
  const change = { brig: given, galley: given, "background-worker": given };

  it("lies in secrets alone", async () => {
    const open = (await render("wire-server", change)).filter(({ kind }) => kind !== "Secret");
    expect(stringify(open)).not.toContain(password);
  });

  it("restarts those who use it, and nobody else", async () => {
    const before = workloads(await render("wire-server"));
    const after = workloads(await render("wire-server", change));
    const restarted = [...after].filter(([name, pods]) => stringify(pods) !== stringify(before.get(name)));
    expect(restarted.map(([name]) => name).sort()).toEqual(["background-worker", "brig", "galley"]);
  });
});

it("scales a service by its number of replicas", async () => {
  const [brig] = (await render("wire-server", { brig: { replicaCount: 7 } })).filter(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === "brig",
  );
  expect(brig?.spec.replicas).toBe(7);
});

it("takes a service's image from its values, so that one that does not exist can be asked for", async () => {
  const pods = workloads(await render("wire-server", { brig: { image: { tag: "none" } } }));
  expect(pods.get("brig")?.spec.containers[0].image).toBe("docker.io/library/conformance:none");
});

describe("refuses what the lab does not have, or cannot do without", () => {
  const refusals: [ReleaseName, Values, string][] = [
    ["cassandra-external", { IPs: [] }, "IPs: the addresses of the nodes"],
    ["postgresql-external", { cronJob: { env: { PGPASSWORD: "" } } }, "cronJob.env.PGPASSWORD"],
    ["coturn", { secrets: { zrestSecrets: [] } }, "secrets.zrestSecrets"],
    ["nginx-ingress-services", { tls: { useCertManager: true } }, "the lab has no cert-manager"],
    ["nginx-ingress-services", { secrets: { tlsWildcardKey: "" } }, "secrets.tlsWildcardKey"],
    ["sftd", { tls: { issuerRef: { name: "x" } } }, "the lab has no cert-manager"],
    ["fake-aws", { "fake-aws-s3": { enabled: true } }, "the lab has no fake-aws-s3"],
    [
      "wire-server",
      { "cassandra-migrations": { cassandra: { host: "" } } },
      "cassandra-migrations.cassandra.host",
    ],
  ];
  it.each(refusals)("%s with %j", async (release, change, message) => {
    await expect(render(release, change)).rejects.toThrow(message);
  });
});
