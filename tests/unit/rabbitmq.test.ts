import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ArtifactFile } from "../../components/artifact/manifest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import {
  nodeParameters,
  renderConfiguration,
  renderDefinitions,
  renderEnvironment,
  renderSettings,
} from "../../components/data-services/rabbitmq/configuration";
import { planMemory, planRabbitMq } from "../../components/data-services/rabbitmq/plan";

const artifact = (version?: string): ArtifactPlan => ({
  archives: [],
  apt: [],
  images: [],
  charts: [],
  unusable: new Map(),
  registries: [],
  served: version
    ? [
        {
          path: "p",
          archive: "a",
          sha256: "0",
          size: 1,
          kind: "apt",
          name: "rabbitmq-server",
          version,
        } as ArtifactFile,
      ]
    : [],
});
const nodes = [1, 2, 3].map((number) => ({
  name: `datanode${number}`,
  address: `192.168.122.3${number}`,
  memoryGiB: 2,
  vcpus: 2,
  retiring: number === 3,
}));
const [node] = nodes as [(typeof nodes)[number]];
const user = { name: "wire-server", password: "correct horse" };

describe("the plan", () => {
  it("takes Wire's version and the lab's, each with what may become it", () => {
    expect(planRabbitMq(artifact("3.9.27-0ubuntu0.2"))).toMatchObject({
      version: "3.9.27-0ubuntu0.2",
      upgradesFrom: "3.8",
    });
    expect(planRabbitMq(artifact("3.10.8-1.1+deb12u1")).upgradesFrom).toBe("3.9");
  });

  it("says what an artifact lacks, and which versions there are", () => {
    expect(() => planRabbitMq(artifact())).toThrow("lacks the Debian package rabbitmq-server");
    expect(() => planRabbitMq(artifact("4.0.2-1"))).toThrow("RabbitMQ 4.0.2-1; this program knows 3.9, 3.10");
  });

  it("gives a broker a tenth of the machine, and never less than it needs", () => {
    expect(planMemory({ memoryGiB: 12 })).toEqual({ watermark: 1228, log: 153 });
    expect(planMemory({ memoryGiB: 1 }).watermark).toBe(256);
  });
});

describe("what a node gets", () => {
  it("listens for clients on the node's own address alone, plainly or with TLS", () => {
    const listening = (tls: boolean) =>
      renderConfiguration(node, tls)
        .split("\n")
        .filter((line) => /^(listeners|management\.\w+\.(ip|port))/.test(line));
    expect(listening(false)).toEqual([
      "listeners.tcp.1 = 192.168.122.31:5672",
      "management.tcp.ip = 192.168.122.31",
      "management.tcp.port = 15672",
    ]);
    expect(listening(true)).toEqual([
      "listeners.tcp = none",
      "listeners.ssl.1 = 192.168.122.31:5671",
      "management.ssl.ip = 192.168.122.31",
      "management.ssl.port = 15671",
    ]);
  });

  it("changes nothing that a broker is restarted for when a node is added", () => {
    const settings = { nodes, clients: [], plan: planRabbitMq(artifact("3.10.8-1")), tls: false };
    const before = nodeParameters(node, { ...settings, nodes: nodes.slice(0, 1) });
    const after = nodeParameters(node, settings);
    for (const key of ["CONFIGURATION", "ENVIRONMENT", "INETRC", "UNIT", "EPMD_UNIT"])
      expect(after[key], key).toBe(before[key]);
    expect(after.HOSTS).toBe(
      "192.168.122.31 datanode1\n192.168.122.32 datanode2\n192.168.122.33 datanode3\n",
    );
  });

  it("names who stays and who founds; who leaves does neither", () => {
    const retiringFirst = nodes.map((each) => ({ ...each, retiring: each.name === "datanode1" }));
    const settings = {
      nodes: retiringFirst,
      clients: [],
      plan: planRabbitMq(artifact("3.10.8-1")),
      tls: false,
    };
    expect(nodeParameters(retiringFirst[0] as typeof node, settings)).toMatchObject({
      FOUNDER: "datanode2",
      STAYING: "datanode2 datanode3",
      RETIRING: "yes",
    });
    expect(JSON.parse(renderSettings(node, retiringFirst, user, false)).retiring).toEqual(["datanode1"]);
  });

  it("keeps Erlang's distribution on the node's address", () => {
    const dist = "inet_dist_use_interface {192,168,122,31}";
    expect(renderEnvironment(node).split(dist)).toHaveLength(3);
  });
});

describe("the definitions", () => {
  const definitions = JSON.parse(renderDefinitions(user));

  it("have the password as RabbitMQ checks it, and the same text each time", () => {
    const bytes = Buffer.from(definitions.users[0].password_hash, "base64");
    const hash = createHash("sha256").update(bytes.subarray(0, 4)).update(user.password).digest();
    expect(bytes.subarray(4).equals(hash)).toBe(true);
    expect(renderDefinitions(user)).toBe(renderDefinitions(user));
    expect(renderDefinitions({ ...user, password: "other" })).not.toBe(renderDefinitions(user));
    expect(renderDefinitions(user)).not.toContain(user.password);
  });

  it("make the user no administrator, and have two brokers confirm what is sent to a classic queue", () => {
    expect(definitions.users[0].tags).toBe("monitoring");
    expect(definitions.policies[0].definition).toMatchObject({
      "ha-mode": "exactly",
      "ha-params": 2,
      "ha-promote-on-failure": "when-synced",
    });
  });
});
