import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ArtifactFile } from "../../components/artifact/manifest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import {
  nodeSettings,
  renderConfiguration,
  renderDefinitions,
  renderEnvironment,
} from "../../components/data-services/rabbitmq/configuration";
import { planMemory, planRabbitMq } from "../../components/data-services/rabbitmq/plan";

const file = (kind: "apt" | "binary", name: string, version: string): ArtifactFile =>
  ({ path: `binaries/${name}`, archive: "a", sha256: "0", size: 1, kind, name, version }) as ArtifactFile;
const wiab = file("binary", "wiab", "1");
const artifact = (...served: ArtifactFile[]): ArtifactPlan => ({
  archives: [],
  apt: [],
  images: [],
  charts: [],
  unusable: new Map(),
  registries: [],
  served,
});
const rabbitmq = (version: string) => artifact(file("apt", "rabbitmq-server", version), wiab);
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
    expect(planRabbitMq(rabbitmq("3.9.27-0ubuntu0.2"))).toMatchObject({
      version: "3.9.27-0ubuntu0.2",
      upgradesFrom: "3.8",
    });
    expect(planRabbitMq(rabbitmq("3.10.8-1.1+deb12u1")).upgradesFrom).toBe("3.9");
  });

  it("says what an artifact lacks, and which versions there are", () => {
    expect(() => planRabbitMq(artifact(wiab))).toThrow("lacks the Debian package rabbitmq-server");
    expect(() => planRabbitMq(artifact(file("apt", "rabbitmq-server", "3.10.8-1")))).toThrow(
      "lacks the binary wiab",
    );
    expect(() => planRabbitMq(rabbitmq("4.0.2-1"))).toThrow("RabbitMQ 4.0.2-1; this program knows 3.9, 3.10");
  });

  it("has the program lie under its checksum, so that another version runs again", () => {
    const { program, installation } = planRabbitMq(rabbitmq("3.10.8-1"));
    expect(program).toBe("/opt/wiab/rabbitmq/dist/0/wiab");
    expect(installation.files).toEqual([wiab]);
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

  const cluster = {
    nodes,
    clients: [],
    plan: planRabbitMq(rabbitmq("3.10.8-1")),
    tls: false,
    user: user.name,
  };

  it("changes nothing that a broker is restarted for when a node is added", () => {
    const before = nodeSettings(node, { ...cluster, nodes: nodes.slice(0, 1) });
    const after = nodeSettings(node, cluster);
    for (const key of ["configuration", "environment", "inetrc", "unit", "epmdUnit"] as const)
      expect(after[key], key).toBe(before[key]);
    expect(after.hosts).toBe(
      "192.168.122.31 datanode1\n192.168.122.32 datanode2\n192.168.122.33 datanode3\n",
    );
  });

  it("names the nodes in their order, who leaves among them, and the ports that clients use", () => {
    expect(nodeSettings(node, cluster).nodes).toEqual([
      { name: "datanode1", address: "192.168.122.31", retiring: false },
      { name: "datanode2", address: "192.168.122.32", retiring: false },
      { name: "datanode3", address: "192.168.122.33", retiring: true },
    ]);
    expect(nodeSettings(node, cluster)).toMatchObject({ amqp: 5672, management: 15672 });
    expect(nodeSettings(node, { ...cluster, tls: true })).toMatchObject({ amqp: 5671, management: 15671 });
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
