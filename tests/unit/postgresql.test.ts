import { describe, expect, it } from "vitest";
import type { ArtifactFile } from "../../components/artifact/manifest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import {
  nodeId,
  nodeParameters,
  priority,
  renderHba,
  renderPostgresqlConf,
  renderRepmgrConf,
  type Settings,
} from "../../components/data-services/postgresql/configuration";
import { planMemory, planPostgresql } from "../../components/data-services/postgresql/plan";
import { methodFor } from "../fixtures/hba";

const file = (kind: "apt" | "binary", path: string, name: string, version: string): ArtifactFile => ({
  ...{ path, archive: "a.tar", sha256: name.padEnd(64, "0"), size: 1 },
  ...{ kind, name, version },
});
const apt = (name: string, version: string) => file("apt", `debs/${name}.deb`, name, version);
const artifact = (served: readonly ArtifactFile[]): ArtifactPlan => ({
  ...{ archives: [], served, apt: [], images: [], charts: [], unusable: new Map(), registries: [] },
});
const lab = artifact([
  apt("postgresql-15", "15.20-1"),
  apt("postgresql-client-15", "15.20-1"),
  apt("postgresql-15-repmgr", "5.3.3-2"),
  file("binary", "binaries/postgres_exporter", "postgres-exporter", "0.17.1"),
]);
const loose = (name: string, version: string) =>
  file("binary", `binaries/${name}_${version}_amd64.deb`, name, version);
const wire = artifact([
  ...["postgresql-17", "postgresql-client-17", "libpq5"].map((name) => loose(name, "17.8-1")),
  ...["postgresql-common", "postgresql-client-common"].map((name) => loose(name, "291")),
  ...["postgresql-17-repmgr", "repmgr-common"].map((name) => loose(name, "5.5.0-3")),
  // Ubuntu's own repository has an older one, too.
  apt("libpq5", "14.1"),
  file("binary", "binaries/postgres_exporter-0.18.1.linux-amd64.tar.gz", "postgres-exporter", "0.18.1"),
]);

const node = (number: number, retiring = false) => ({
  ...{ name: `datanode${number}`, address: `192.168.122.${30 + number}`, memoryGiB: 12, vcpus: 4 },
  retiring,
});
const settings = (changes: Partial<Settings> = {}): Settings => ({
  ...{ plan: planPostgresql(lab), nodes: [node(1), node(2), node(3)], clients: ["192.168.122.21"] },
  ...{ maxConnections: 100, tls: false },
  ...changes,
});

describe("the plan", () => {
  it("takes the packages of an apt repository, each in its version", () => {
    const plan = planPostgresql(lab);
    expect(plan).toMatchObject({ major: 15, version: "15.20-1" });
    expect(plan.packages.map(({ source }) => source)).toEqual([
      "postgresql-15=15.20-1",
      "postgresql-client-15=15.20-1",
      "postgresql-15-repmgr=5.3.3-2",
    ]);
    expect(plan.exporter).toMatch(/\/postgres_exporter$/);
  });

  it("takes package files with what they need", () => {
    const plan = planPostgresql(wire);
    expect(plan.major).toBe(17);
    expect(plan.installation.packages).toEqual([]);
    expect(plan.packages.map(({ name }) => name).sort()).toEqual(
      wire.served.flatMap(({ name, path }) => (path.includes("_amd64.deb") ? [name] : [])).sort(),
    );
    expect(plan.packages.every(({ source }) => source.startsWith("/opt/wiab/postgresql/dist/"))).toBe(true);
    expect(plan.exporter).toMatch(/\/postgres_exporter-0\.18\.1\.linux-amd64\/postgres_exporter$/);
  });

  it.each([
    [[], "the artifact lacks a package postgresql-N with N one of 17, 16, 15, 14, 13"],
    [
      lab.served.filter(({ name }) => name !== "postgresql-15-repmgr"),
      "the artifact has postgresql-15 and lacks the package postgresql-15-repmgr",
    ],
  ])("names what an artifact lacks", (served, error) => {
    expect(() => planPostgresql(artifact(served))).toThrow(error);
  });

  it("takes little of a small machine, and of a large one what Wire gives it", () => {
    expect(planMemory(2).sharedBuffers).toBe(85);
    expect(planMemory(12).sharedBuffers).toBe(512);
    expect(planMemory(1).sharedBuffers).toBe(64);
  });
});

describe("the configuration", () => {
  describe("lets in", () => {
    const datanode = "192.168.122.32";
    const kubenode = "192.168.122.21";
    const other = "192.168.122.10";
    const everybody = [datanode, kubenode, other].flatMap((address) =>
      ["repmgr", "wire-server", "postgres", "wiab_monitor"].flatMap((user) =>
        ["repmgr", "wire-server", "postgres", "replication"].map((wanted) => ({
          ...{ address, user, database: wanted },
        })),
      ),
    );
    const expected = [
      ...["repmgr", "wire-server", "postgres", "replication"].map((wanted) => `${datanode} repmgr ${wanted}`),
      `${datanode} wire-server wire-server`,
      // Wire's services, and the endpoint manager, which follows a failover.
      `${kubenode} wire-server wire-server`,
      `${kubenode} repmgr repmgr`,
    ].sort();
    const letIn = (hba: string, tls: boolean) =>
      everybody
        .filter((login) => methodFor(hba, { ...login, tls }) === "scram-sha-256")
        .map((login) => `${login.address} ${login.user} ${login.database}`)
        .sort();

    it("each to what it needs, by password, and nobody else", () => {
      expect(letIn(renderHba(settings()), false)).toEqual(expected);
      const refused = everybody.filter((login) => methodFor(renderHba(settings()), login) === "reject");
      expect(refused.length).toBe(everybody.length - expected.length);
    });

    it("clients by TLS alone where it is asked for, nodes among themselves without it", () => {
      const hba = renderHba(settings({ tls: true }));
      expect(letIn(hba, true)).toEqual(expected);
      expect(letIn(hba, false)).toEqual(expected.filter((line) => line.startsWith(`${datanode} repmgr`)));
    });
  });

  it("has a certificate where clients use TLS", () => {
    const secure = settings({ tls: true });
    expect(renderPostgresqlConf(node(1), secure)).toContain("ssl = on");
    expect(renderPostgresqlConf(node(1), settings())).not.toContain("ssl_key_file");
  });

  it("keeps a node's number in repmgr whatever other nodes there are, and prefers the first", () => {
    expect(nodeId(node(1))).toBe(31263);
    expect(() => nodeId({ address: "datanode1" })).toThrow("no IPv4 address");
    expect([-1, 0, 1, 2, 3].map(priority)).toEqual([0, 150, 100, 50, 10]);
    const smaller = settings({ nodes: [node(2), node(3)] });
    expect(renderRepmgrConf(node(2), smaller)).toContain(`node_id=${nodeId(node(2))}\n`);
    expect(renderRepmgrConf(node(2), smaller)).toContain("priority=150\n");
  });

  it("has no secret in what is not secret", () => {
    const parameters = nodeParameters(node(1), settings());
    expect(Object.values(parameters).join("\n")).not.toMatch(/password=/);
  });

  it("has the first node that stays found the cluster", () => {
    const leaving = settings({ nodes: [node(1, true), node(2)] });
    expect(nodeParameters(node(2), leaving)).toMatchObject({ FIRST: "datanode2", RETIRING: "no" });
    expect(nodeParameters(node(1, true), leaving)).toMatchObject({ RETIRING: "yes" });
  });
});
