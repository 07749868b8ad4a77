import { describe, expect, it } from "vitest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import {
  majority,
  nodeParameters,
  renderUnit,
} from "../../components/data-services/elasticsearch/configuration";
import { heapMiB, planElasticsearch } from "../../components/data-services/elasticsearch/plan";

const file = (path: string, kind: "apt" | "binary", name: string, version: string) => ({
  ...{ path, kind, name, version, archive: "a", size: 1, sha256: "0".repeat(64) },
});
const artifact = (...served: ReturnType<typeof file>[]): ArtifactPlan => ({
  ...{ archives: [], apt: [], images: [], charts: [], unusable: new Map(), registries: [], served },
});
const java = (version: number) =>
  file(`debs/openjdk-${version}.deb`, "apt", `openjdk-${version}-jre-headless`, "1");
const zip = file("binaries/elasticsearch-oss-6.8.23.zip", "binary", "elasticsearch", "6.8.23");
const deb = file("binaries/elasticsearch-oss-6.8.23.deb", "binary", "elasticsearch", "6.8.23");
const directory = `/opt/wiab/elasticsearch/dist/${"0".repeat(64)}`;

const nodes = [1, 2, 3].map((number) => ({
  ...{ name: `datanode${number}`, address: `10.0.0.${number}`, memoryGiB: 12, vcpus: 4, retiring: false },
}));

describe("the plan of Elasticsearch", () => {
  it("takes the lab's zip on Java 17 and Wire's package on Java 8", () => {
    const lab = planElasticsearch(artifact(zip, java(17)));
    expect(lab.installation.packages).toEqual(["openjdk-17-jre-headless", "nftables", "unzip"]);
    expect(lab).toMatchObject({ package: "", home: `${directory}/elasticsearch-6.8.23` });
    const wire = planElasticsearch(artifact(deb, java(8)));
    expect(wire.installation.packages).toEqual(["openjdk-8-jre-headless", "nftables"]);
    expect(wire).toMatchObject({
      package: `${directory}/elasticsearch-oss-6.8.23.deb`,
      home: `${directory}/usr/share/elasticsearch`,
    });
  });

  it("has each Java collect garbage in a way that it knows", () => {
    const unit = (version: number) => renderUnit(planElasticsearch(artifact(zip, java(version))), 512);
    expect(unit(8)).toContain("-XX:+UseConcMarkSweepGC");
    expect(unit(17)).not.toContain("UseConcMarkSweepGC");
    expect(unit(17)).toContain("java-17-openjdk-amd64/bin/java");
  });

  it("says what an artifact lacks", () => {
    expect(() => planElasticsearch(artifact(java(17)))).toThrow("lacks the binary elasticsearch");
    expect(() => planElasticsearch(artifact(zip, java(21)))).toThrow("N one of 17, 11, 8");
    expect(() => planElasticsearch(artifact({ ...zip, version: "7.17.0" }, java(17)))).toThrow(
      "Elasticsearch 7.17.0; Wire works with 6.8",
    );
  });

  it("gives the heap a share of the machine", () => {
    expect([1, 2, 6, 12, 64].map((memoryGiB) => heapMiB({ memoryGiB }))).toEqual([256, 256, 512, 1024, 1024]);
  });
});

describe("the settings of a node of Elasticsearch", () => {
  const plan = planElasticsearch(artifact(zip, java(17)));

  it("needs a majority of all nodes, and of those that retire as long as they are there", () => {
    expect([1, 2, 3, 4, 5].map(majority)).toEqual([1, 2, 2, 3, 3]);
    const [first, ...rest] = nodes;
    if (!first) throw new Error();
    const leaving = [first, ...rest.map((node) => ({ ...node, retiring: true }))];
    expect(nodeParameters(first, { plan, nodes: leaving, clients: [] })).toMatchObject({
      MINIMUM_MASTER_NODES: "2",
      RETIRING: "",
    });
    expect(JSON.parse(nodeParameters(first, { plan, nodes: leaving, clients: [] }).CLUSTER ?? "")).toEqual({
      node: "datanode1",
      members: { datanode1: "10.0.0.1" },
      leaving: { datanode2: "10.0.0.2", datanode3: "10.0.0.3" },
    });
  });

  it("stays the same but for the lists when a node is added, so that nothing restarts", () => {
    const [first] = nodes;
    if (!first) throw new Error();
    const restarts = (count: number) => {
      const { SETTINGS, LOGGING, UNIT } = nodeParameters(first, {
        plan,
        nodes: nodes.slice(0, count),
        clients: [],
      });
      return { SETTINGS, LOGGING, UNIT };
    };
    expect(restarts(3)).toEqual(restarts(1));
  });

  it("lets clients to one port and nodes alone to the other", () => {
    const [first] = nodes;
    if (!first) throw new Error();
    expect(nodeParameters(first, { plan, nodes, clients: ["10.0.0.9"], heapMiB: 700 })).toMatchObject({
      CLIENT_PORTS: "9200",
      CLIENTS: "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.9",
      NODE_PORTS: "9300",
      NODES: "10.0.0.1 10.0.0.2 10.0.0.3",
      UNIT: expect.stringContaining("-Xmx700m"),
    });
  });
});
