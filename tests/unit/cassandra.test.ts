import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { ArtifactFile } from "../../components/artifact/manifest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import {
  nodeParameters,
  renderCassandraYaml,
  replicationFactor,
} from "../../components/data-services/cassandra/configuration";
import { planCassandra, planSizes, tlsRefusal } from "../../components/data-services/cassandra/plan";
import type { Node } from "../../components/data-services/node";

const file = (fields: Partial<ArtifactFile>): ArtifactFile => ({
  path: "binaries/file",
  archive: "binaries.tar",
  sha256: "a".repeat(64),
  size: 1,
  kind: "binary",
  ...fields,
});

const artifact = (...served: readonly ArtifactFile[]): ArtifactPlan => ({
  archives: [],
  served,
  apt: [],
  images: [],
  charts: [],
  unusable: new Map(),
  registries: [],
});

const java = (version: number) =>
  file({ kind: "apt", name: `openjdk-${version}-jre-headless`, path: `debs/${version}` });
const wire = artifact(
  java(8),
  file({ name: "cassandra", version: "3.11.19", path: "binaries/apache-cassandra-3.11.19-bin.tar.gz" }),
);
const lab = artifact(
  java(17),
  file({ name: "cassandra", version: "5.0.9", path: "binaries/cassandra-5.0.9.tar.gz" }),
);

const middle = (...javas: number[]) =>
  artifact(
    ...javas.map(java),
    file({ name: "cassandra", version: "4.1.10", path: "binaries/apache-cassandra-4.1.10-bin.tar.gz" }),
  );

const nodes = (count: number, changes: Partial<Node> = {}): Node[] =>
  Array.from({ length: count }, (_, at) => ({
    name: `datanode${at + 1}`,
    address: `192.168.122.${31 + at}`,
    memoryGiB: 12,
    vcpus: 4,
    retiring: false,
    ...changes,
  }));

const yamlOf = (from: ArtifactPlan, node: Node, tls = false) => {
  const text = renderCassandraYaml(planCassandra(from), node, planSizes(node), tls);
  return parse(text.replace("@TOKENS@", "16"));
};

describe("planCassandra", () => {
  it("finds Wire's tarball, with Java 8 and the tokens of Wire's rings", () => {
    const plan = planCassandra(wire);
    expect(plan.version).toBe("3.11.19");
    expect(plan.edition.tokens).toBe(256);
    expect(plan.installation.packages).toContain("openjdk-8-jre-headless");
    expect(plan.libraries).toBe(`/opt/wiab/cassandra/dist/${"a".repeat(64)}/apache-cassandra-3.11.19/lib`);
  });

  it("finds the lab's jars, with Java 17", () => {
    const plan = planCassandra(lab);
    expect(plan.edition.tokens).toBe(16);
    expect(plan.installation.packages).toContain("openjdk-17-jre-headless");
    expect(plan.libraries).toMatch(/\/cassandra-5\.0\.9\/lib$/);
  });

  it("finds 4.1, with Java 11 or, where the artifact has only that, 8", () => {
    const plan = planCassandra(middle(8, 11));
    expect(plan.installation.packages).toContain("openjdk-11-jre-headless");
    expect(plan.libraries).toMatch(/\/apache-cassandra-4\.1\.10\/lib$/);
    expect(planCassandra(middle(8)).java.version).toBe(8);
    expect(tlsRefusal(plan)).toContain("runs on Java 11");
    const [node] = nodes(1) as [Node];
    const settings = (...javas: number[]) =>
      nodeParameters(node, { plan: planCassandra(middle(...javas)), nodes: [node], clients: [], tls: false });
    expect(settings(11).UNIT).toMatch(
      /java-11-openjdk-amd64\/bin\/java .*--add-opens=.*\/jamm-0\.3\.2\.jar/s,
    );
    expect(settings(8).UNIT).not.toMatch(/--add-(opens|exports)/);
    expect(yamlOf(middle(8), node)).toMatchObject({
      ...{ commitlog_sync: "batch", networking_cache_size: "128MiB" },
      allocate_tokens_for_local_replication_factor: 3,
    });
  });

  it.each([
    ["Cassandra", artifact(java(17)), /no Cassandra.*apache-cassandra-<version>-bin\.tar\.gz/],
    ["Java", artifact(...wire.served.slice(1)), /3\.11\.19 needs openjdk-8-jre-headless/],
    ["one of its Javas", middle(17), /4\.1\.10 needs openjdk-11-jre-headless or openjdk-8-jre-headless/],
    [
      "a version that is known",
      artifact(java(17), file({ name: "cassandra", version: "2.2.1" })),
      /2\.2\.1; known are 3\.11, 4\.1, 5\.0/,
    ],
  ])("says that the artifact lacks %s", (_, given, message) => {
    expect(() => planCassandra(given)).toThrow(message);
  });
});

describe("planSizes", () => {
  it("gives staging the heap that Cassandra would take, and leaves room on small machines", () => {
    expect(planSizes({ memoryGiB: 12, vcpus: 4 }).heap).toBe(3072);
    for (const memoryGiB of [1.5, 2, 3]) {
      const { heap, direct } = planSizes({ memoryGiB, vcpus: 2 });
      expect(heap).toBeGreaterThanOrEqual(256);
      expect(heap + direct).toBeLessThanOrEqual(memoryGiB * 256 + 128);
    }
    expect(planSizes({ memoryGiB: 64, vcpus: 16 }).heap).toBe(8192);
  });

  it("takes the heap that is asked for", () => {
    expect(planSizes({ memoryGiB: 12, vcpus: 4 }, 2048).heap).toBe(2048);
  });
});

describe("cassandra.yaml", () => {
  it("says the same in both spellings", () => {
    const [node] = nodes(3) as [Node];
    const [older, newer] = [yamlOf(wire, node), yamlOf(lab, node)];
    // What is acknowledged is on disk; with a period beside it Cassandra would not start.
    for (const yaml of [older, newer]) {
      expect(yaml.commitlog_sync).toBe("batch");
      expect(Object.keys(yaml).filter((key) => key.startsWith("commitlog_sync_period"))).toEqual([]);
    }
    expect(older.commitlog_sync_batch_window_in_ms).toBe(2);
    expect(newer).not.toHaveProperty("commitlog_sync_batch_window_in_ms");
    expect(older.memtable_heap_space_in_mb).toBe(768);
    expect(newer.memtable_heap_space).toBe("768MiB");
    expect(older).not.toHaveProperty("networking_cache_size");
    for (const yaml of [older, newer]) {
      expect(yaml.listen_address).toBe("192.168.122.31");
      expect(yaml.rpc_address).toBe("192.168.122.31");
      expect(yaml).not.toHaveProperty("client_encryption_options");
    }
  });

  it("lets nobody in without TLS where TLS is on", () => {
    const [node] = nodes(1) as [Node];
    expect(yamlOf(lab, node, true).client_encryption_options).toMatchObject({
      enabled: true,
      optional: false,
    });
  });
});

describe("a ring of any size", () => {
  it.each([
    [1, "192.168.122.31", 1],
    [3, "192.168.122.31,192.168.122.32,192.168.122.33", 3],
    [5, "192.168.122.31,192.168.122.32,192.168.122.33", 3],
  ])("of %i has its seeds and copies", (count, seeds, copies) => {
    const all = nodes(count);
    const plan = planCassandra(lab);
    expect(replicationFactor(all)).toBe(copies);
    for (const node of all)
      expect(nodeParameters(node, { plan, nodes: all, clients: [], tls: false }).SEEDS).toBe(seeds);
  });

  it("counts no node that retires", () => {
    const [first, ...rest] = nodes(4) as [Node, ...Node[]];
    const all = [{ ...first, retiring: true }, ...rest];
    const { SEEDS } = nodeParameters(first, {
      plan: planCassandra(lab),
      nodes: all,
      clients: [],
      tls: false,
    });
    expect(SEEDS).toBe("192.168.122.32,192.168.122.33,192.168.122.34");
    expect(replicationFactor(all.slice(0, 3))).toBe(2);
  });

  it("is cared for on another day by each node", () => {
    const all = nodes(5);
    const timers = all.map(
      (node) => nodeParameters(node, { plan: planCassandra(lab), nodes: all, clients: [], tls: false }).TIMER,
    );
    expect(new Set(timers).size).toBe(5);
  });
});

it("keeps the management port on the machine, whatever the version", () => {
  const [node] = nodes(1) as [Node];
  for (const from of [wire, lab]) {
    const { UNIT } = nodeParameters(node, {
      plan: planCassandra(from),
      nodes: [node],
      clients: [],
      tls: false,
    });
    expect(UNIT).toContain("-Dcassandra.jmx.local.port=7199");
    expect(UNIT).not.toContain("jmx.remote.port");
  }
  const { UNIT } = nodeParameters(node, {
    plan: planCassandra(wire),
    nodes: [node],
    clients: [],
    tls: false,
  });
  // Java 8 does not know them, and does not start.
  expect(UNIT).not.toMatch(/--add-(opens|exports)/);
});
