import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readManifest } from "../../components/artifact/reader/bundle";
import type { Surroundings } from "../../components/validation/surroundings";
import { ConfigurationError, validate } from "../../components/validation/validate";

const surroundings: Surroundings = {
  keyFileProblem: () => undefined,
  readSecret: () => new Uint8Array(),
  readText: () => "",
  encrypted: [["mail"], ["wire"]],
  readManifest,
};

/** The values of Pulumi.staging.yaml as the engine hands them over. */
function staging(): Record<string, any> {
  const { config } = parse(readFileSync("Pulumi.staging.yaml", "utf8"));
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace("wiab-staging:", ""), value]),
  );
}

/** The problems that are found after a change of the staging configuration, as "key: message". */
function problems(
  change: (values: Record<string, any>) => void,
  outside: Partial<Surroundings> = {},
): string[] {
  const values = staging();
  change(values);
  try {
    validate(values, { ...surroundings, ...outside });
  } catch (error) {
    if (error instanceof ConfigurationError)
      return error.problems.map(({ key, message }) => `${key}: ${message}`);
    throw error;
  }
  return [];
}

describe("Pulumi.staging.yaml", () => {
  it("is accepted, with a warning of the host key alone, which only the operator knows", () => {
    expect(validate(staging(), surroundings).warnings).toEqual([
      expect.stringMatching(/^host\.ssh\.hostKey is missing/),
    ]);
  });

  it("has the machines of the deployment guide: 61 GiB, 29 vCPUs, 550 GB", () => {
    const { config } = validate(staging(), surroundings);
    const sum = (value: (machine: (typeof config.machines)[number]) => number) =>
      config.machines.reduce((total, machine) => total + value(machine), 0);
    expect(
      config.machines.map(({ name, memoryGiB, vcpus, diskGB }) => [name, memoryGiB, vcpus, diskGB]),
    ).toEqual([
      ["assethost", 4, 2, 100],
      ["kubenode1", 7, 5, 50],
      ["kubenode2", 7, 5, 50],
      ["kubenode3", 7, 5, 50],
      ["datanode1", 12, 4, 100],
      ["datanode2", 12, 4, 100],
      ["datanode3", 12, 4, 100],
    ]);
    expect([sum((m) => m.memoryGiB), sum((m) => m.vcpus), sum((m) => m.diskGB)]).toEqual([61, 29, 550]);
  });

  it("says nothing but the defaults where the schema has one", () => {
    const values = staging();
    const { domain, image, firewall, host } = values;
    const short = { domain, image, host, firewall: { publicAddress: firewall.publicAddress } };
    expect(validate(short, surroundings).config).toEqual(validate(values, surroundings).config);
  });
});

describe("a configuration is refused for", () => {
  const refused: [string, (values: Record<string, any>) => void, RegExp, Partial<Surroundings>?][] = [
    [
      "an unknown key at the top",
      (c) => (c.netwrok = {}),
      /^netwrok: is not a known key; did you mean network\?/,
    ],
    ["an unknown key below", (c) => (c.network.cdir = "x"), /^network\.cdir: .*did you mean cidr\?/],
    [
      "an unknown key of a machine",
      (c) => (c.machines[2].disc = 1),
      /^machines\[2\].disc: .*did you mean disk\?/,
    ],
    [
      "a value of the wrong type",
      (c) => (c.machines[0].vcpus = "two"),
      /^machines\[0\]\.vcpus: must be of type number; found "two"/,
    ],
    ["a missing value", (c) => delete c.domain, /^domain: is missing/],
    [
      "an address outside the network",
      (c) => (c.machines[1].address = "10.0.0.7"),
      /^machines\[1\]\.address: 10\.0\.0\.7 is outside the network 192\.168\.122\.0\/24/,
    ],
    ["the host's own address", (c) => (c.machines[1].address = "192.168.122.1"), /host's own address/],
    ["the broadcast address", (c) => (c.machines[1].address = "192.168.122.255"), /is outside the network/],
    [
      "a duplicate address",
      (c) => (c.machines[3].address = "192.168.122.21"),
      /^machines\[3\]\.address: 192\.168\.122\.21 is the address of machines\[1\] already/,
    ],
    [
      "a duplicate name",
      (c) => (c.machines[3].name = "kubenode1"),
      /^machines\[3\]\.name: is the name of an earlier machine already/,
    ],
    [
      "an address inside the DHCP range",
      (c) => (c.machines[1].address = "192.168.122.100"),
      /inside the DHCP range/,
    ],
    [
      "the last address of the DHCP range",
      (c) => (c.machines[1].address = "192.168.122.240"),
      /inside the DHCP range/,
    ],
    [
      "a DHCP range outside the network",
      (c) => (c.network.dhcpRange.end = "192.168.123.1"),
      /^network\.dhcpRange\.end: 192\.168\.123\.1 is outside/,
    ],
    [
      "a DHCP range that ends before it starts",
      (c) => (c.network.dhcpRange.end = "192.168.122.50"),
      /lies before the start/,
    ],
    ["a network with host bits", (c) => (c.network.cidr = "192.168.122.1/24"), /does not name a network/],
    [
      "an even number of control-plane nodes",
      (c) => c.machines.splice(1, 1),
      /^machines: 2 kubenodes is an even number/,
    ],
    [
      "an even number of quorum nodes",
      (c) => c.machines.splice(4, 1),
      /^machines: 2 datanodes is an even number/,
    ],
    ["no kubenode", (c) => c.machines.splice(1, 3), /^machines: there is no kubenode/],
    ["no datanode", (c) => c.machines.splice(4, 3), /^machines: there is no datanode/],
    ["no assethost", (c) => c.machines.splice(0, 1), /^machines: there must be one assethost, found 0/],
    [
      "machines with more memory than the host",
      (c) => (c.host.capacity.memoryGiB = 60),
      /^host\.capacity\.memoryGiB: the machines need 61 GiB together, the host has 60 GiB/,
    ],
    [
      "a disk smaller than the image",
      (c) => (c.machines[1].diskGB = 2),
      /^machines\[1\]\.diskGB: 2 GB is smaller than the image \(2\.4 GB\)/,
    ],
    [
      "an unreadable key file",
      (c) => (c.host.ssh.privateKeyFile = "~/none"),
      /^host\.ssh\.privateKeyFile: ~\/none cannot be read/,
      { keyFileProblem: (path) => `${path} cannot be read: ENOENT` },
    ],
    ["a malformed domain name", (c) => (c.domain = "Wire_Example"), /^domain: must be a domain name/],
    ["a domain name without a dot", (c) => (c.domain = "wire"), /^domain: must be a domain name/],
    [
      "a URL without a checksum",
      (c) => delete c.image.sha256,
      /^image\.sha256: is required where image\.source is a URL/,
    ],
    [
      "a minimal image, by its name",
      (c) =>
        (c.image.source =
          "https://cloud-images.ubuntu.com/minimal/releases/jammy/release/ubuntu-22.04-minimal-cloudimg-amd64.img"),
      /^image\.source: ubuntu-22\.04-minimal-cloudimg-amd64\.img is a minimal image/,
    ],
    [
      "a checksum of the wrong form",
      (c) => (c.image.sha256 = "abc"),
      /^image\.sha256: must be a SHA-256 checksum/,
    ],
    [
      "a secret in plain text",
      (c) => (c.mail = { relay: { host: "mail.example.com", password: "hunter2" } }),
      /^mail\.relay\.password: is a password in plain text/,
      { encrypted: [] },
    ],
    [
      "a calling node that is none",
      (c) => (c.calling = { node: "datanode1" }),
      /^calling\.node: "dat…" \(9 characters\) is no kubenode that stays; accepted are the names of machines\[1\], machines\[2\], machines\[3\]/,
    ],
    [
      "a calling node that retires",
      (c) => {
        c.calling = { node: "kubenode1" };
        for (const index of [1, 2]) c.machines[index].retiring = true;
      },
      /^calling\.node: "kub…" .* is no kubenode that stays; accepted are the names of machines\[3\]/,
    ],
    [
      "an even number of control-plane nodes that stay",
      (c) => (c.machines[1].retiring = true),
      /^machines: 2 kubenodes is an even number/,
    ],
    [
      "kubenodes that all retire",
      (c) => {
        for (const index of [1, 2, 3]) c.machines[index].retiring = true;
      },
      /^machines: there is no kubenode that stays/,
    ],
    [
      "a public address among the machines'",
      (c) => (c.firewall.publicAddress = "192.168.122.50"),
      /^firewall\.publicAddress: .* inside 192\.168\.122\.0\/24 \(network\.cidr\)/,
    ],
  ];

  it.each(refused)("%s", (_name, change, message, outside) => {
    const found = problems(change, outside);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });
});

describe("a refusal", () => {
  it("reports schema and rules together, with unknown keys not hiding the rest", () => {
    const found = problems((c) => {
      c.domain = "nowhere";
      c.network.colour = "red";
      c.machines[1].address = "10.0.0.7";
      c.machines.splice(4, 1);
      delete c.image.sha256;
    });
    expect(found.map((line) => line.split(":")[0])).toEqual([
      "domain",
      "network.co…",
      "machines[1].address",
      "machines",
      "image.sha256",
    ]);
  });

  it("finds too few connections to PostgreSQL for the machines that run Wire, and where nothing of Wire is, none", () => {
    const few = (change: (c: Record<string, any>) => void) =>
      problems((c) => {
        c.dataServices = { postgresql: { maxConnections: 100 } };
        c.wire = { charts: { repository: "oci://registry.example.com/charts" } };
        change(c);
      }).filter((line) => line.startsWith("dataServices.postgresql.maxConnections: "));
    expect(few(() => {})).toEqual([expect.stringMatching(/: 100 are too few: .* up to 130, .* 141 or more/)]);
    expect(few((c) => (c.machines = [c.machines[0], c.machines[1], c.machines[4]]))).toEqual([]);
    expect(few((c) => (c.dataServices = {}))).toEqual([]);
    expect(few((c) => (c.wire = {}))).toEqual([]);
  });

  it("does not repeat a password", () => {
    const found = problems((c) => (c.mail = { relay: { host: "mail.example.com", password: 4711 } }));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^mail\.relay\.password/);
    expect(found[0]).not.toContain("4711");
  });
});

describe("what is allowed", () => {
  it("more vCPUs than threads, with a warning", () => {
    const values = staging();
    values.host.capacity.vcpus = 16;
    expect(validate(values, surroundings).warnings).toEqual([
      expect.stringMatching(/^host\.ssh\.hostKey/),
      expect.stringMatching(/29 vCPUs together, the host has 16/),
    ]);
  });

  it("an existing machine outside the network, which needs none of the host's memory", () => {
    const found = problems((c) => {
      c.host.capacity.memoryGiB = 57;
      Object.assign(c.machines[0], { address: "10.0.0.7", existing: { user: "admin" } });
    });
    expect(found).toEqual([]);
  });

  it("one machine of each role", () => {
    expect(problems((c) => (c.machines = [c.machines[0], c.machines[1], c.machines[4]]))).toEqual([]);
  });
});
