import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { planArtifact } from "../../components/artifact/plan";
import { readManifest } from "../../components/artifact/reader/bundle";
import { planDeployment } from "../../components/config/plan";
import { nodeParameters } from "../../components/data-services/cassandra/configuration";
import { planCassandra } from "../../components/data-services/cassandra/plan";
import { planRuleset, renderRuleset } from "../../components/host/firewall/ruleset";
import { renderZones } from "../../components/kubernetes/addons/objects";
import { loadScript, renderInput } from "../../components/machine/script";
import { validate } from "../../components/validation/validate";
import { makeCertificate } from "../../lab/certificate";
import { projectDirectory } from "../../toolchain/environment";
import { fixtureBundle, stagingConfiguration, surroundings, type Values } from "../stacks";
import { problemsOf, warningsOf } from "./refused";

const serviceScript = join(projectDirectory, "components/data-services/service.sh");

/** The artifact that the fixtures' manifest describes. */
const fixturePlan = () =>
  planArtifact([{ manifest: readManifest(`${fixtureBundle}/manifest.json`), location: "/srv/artifact" }]);

/** Machines that exist already, in two networks. */
function existing(values: Values): void {
  values.host = { hypervisor: "none" };
  values.network = { name: "wirebox", cidr: "10.20.0.0/24" };
  delete values.image;
  values.firewall = { publicAddress: "203.0.113.10", gateway: { ssh: { address: "gateway.example.com" } } };
  values.machines = values.machines.map((machine: Values, index: number) => ({
    ...machine,
    address: machine.role === "datanode" ? `10.30.0.${31 + index}` : `10.20.0.${10 + index}`,
    existing: { user: "ubuntu", privateKeyFile: "~/.ssh/id_ed25519" },
  }));
}

const problems = (change: (values: Values) => void) =>
  problemsOf((values) => {
    existing(values);
    change(values);
  });

describe("machines that exist already, without a hypervisor", () => {
  it("need neither image nor DHCP range, and are planned without one", () => {
    const config = stagingConfiguration(existing);
    const plan = planDeployment(config);
    expect(plan.hypervisor).toBeUndefined();
    expect(plan.gateway).toBeUndefined();
    expect(plan.demand.machines).toBe(0);
    expect(plan.firewall).toEqual({
      place: "gateway",
      inside: { kind: "routed", addresses: config.machines.map(({ address }) => address) },
      hardenInput: false,
      sshPort: 22,
    });
    const rules = renderRuleset(planRuleset(config, plan));
    expect(rules).not.toMatch(/wirebox"/);
    expect(rules).toContain(
      "ip daddr { 10.20.0.10, 10.20.0.11, 10.20.0.12, 10.20.0.13, 10.30.0.35, 10.30.0.36, 10.30.0.37 } goto to-machines",
    );
  });

  it("may have everything in the one network that is there, the public address's own end too", () => {
    expect(problems((values) => (values.firewall.localAddress = "10.20.0.1"))).toEqual([]);
  });

  it.each<[string, (values: Values) => void, RegExp]>([
    [
      "a machine that nobody makes",
      (values) => delete values.machines[3].existing,
      /^machines\[3\]\.existing: is missing: nothing makes kubenode3 .* say how to log in to it/,
    ],
    [
      "a firewall of which nobody knows where it is to be",
      (values) => delete values.firewall.gateway,
      /^firewall\.gateway: is missing: name the machine .* \(firewall\.rules: output\)/,
    ],
    [
      "a gateway for rules that are put out",
      (values) => (values.firewall.rules = "output"),
      /^firewall\.gateway: is of no use: firewall\.rules is output/,
    ],
    [
      "a gateway whose SSH port is forwarded",
      (values) => (values.firewall.gateway.ssh.port = 443),
      /^firewall\.gateway\.ssh\.port: 443 is forwarded/,
    ],
    [
      "a gateway that is one of the machines",
      (values) => (values.firewall.gateway.ssh.address = values.machines[1].address),
      /^machines\[1\]\.address: 10\.20\.0\.11 is the host's own \(host\.ssh\.address, firewall\.gateway/,
    ],
    [
      "a relay that is beyond a gateway which lets nobody out",
      (values) => {
        values.firewall.privateDeployment = true;
        values.mail = { relay: { host: "192.0.2.1" } };
      },
      /^mail\.relay\.host: .* in the machines' network \(network\.cidr, 10\.20\.0\.0\/24\)/,
    ],
    [
      "a public address that is a machine's",
      (values) => (values.firewall.publicAddress = values.machines[1].address),
      /^machines\[1\]\.address: 10\.20\.0\.11 is the host's own/,
    ],
  ])("refuses %s", (_, change, message) => {
    const found = problems(change);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });
});

describe("a host with a hypervisor", () => {
  it.each<[string, (values: Values) => void, RegExp]>([
    ["no image", (values) => delete values.image, /^image: is missing: .*set host\.hypervisor to none/],
    [
      "a firewall elsewhere",
      (values) => (values.firewall.gateway = {}),
      /^firewall\.gateway: needs host\.hypervisor: none/,
    ],
    [
      "rules that nobody makes",
      (values) => (values.firewall.rules = "output"),
      /^firewall\.rules: needs host\.hypervisor: none/,
    ],
  ])("refuses %s", (_, change, message) => {
    const found = problemsOf(change);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });
});

describe("zones", () => {
  /** Gives machines of a role their zones, in order. */
  const zoned =
    (role: string, ...zones: (string | undefined)[]) =>
    (values: Values) => {
      values.machines
        .filter((machine: Values) => machine.role === role)
        .forEach((machine: Values, index: number) => {
          if (zones[index]) machine.zone = zones[index];
        });
    };
  const about = (change: (values: Values) => void) =>
    warningsOf(change).filter((warning) => warning.startsWith("machines:"));

  it("over three there is nothing to say", () => {
    expect(about(zoned("datanode", "a", "b", "c"))).toEqual([]);
  });

  it("that take a majority along are warned about, with what stands still", () => {
    expect(about(zoned("datanode", "a", "b", "a"))).toEqual([
      expect.stringMatching(
        /^machines: zone a has 2 of 3 datanodes: with it Cassandra, .* would stand still/,
      ),
    ]);
    expect(about(zoned("kubenode", "a", "a", "a"))).toEqual([
      expect.stringMatching(/^machines: zone a has 3 of 3 kubenodes: with it etcd/),
    ]);
  });

  it("are those of all machines of a role, or of none", () => {
    expect(problemsOf(zoned("datanode", "a", undefined, "c"))).toEqual([
      expect.stringMatching(/^machines\[5\]\.zone: is missing: .* say where datanode2 is/),
    ]);
    expect(problemsOf(zoned("datanode", "Rack 1", "b", "c"))).toEqual([
      expect.stringMatching(/^machines\[4\]\.zone: must be at most 32 lower-case letters/),
    ]);
  });

  it("are Cassandra's racks and labels of the nodes", () => {
    const nodes = planDeployment(stagingConfiguration(zoned("datanode", "a", "b", "c"))).datanodes;
    const rackOf = (index: number) =>
      nodeParameters(nodes[index] as (typeof nodes)[number], {
        ...{ plan: planCassandra(fixturePlan()), nodes, clients: [], tls: false },
      }).RACK;
    expect([0, 1, 2].map(rackOf)).toEqual(["a", "b", "c"].map((rack) => `dc=datacenter1\nrack=${rack}\n`));
    expect(renderZones([{ name: "kubenode1", zone: "a" }, { name: "kubenode2" }])).toBe(
      "kubenode1 a\nkubenode2",
    );
    expect(renderZones([{ name: "kubenode1" }])).toBe("");
  });

  it("cannot change where a node has data, and may as long as it has none", () => {
    const [node] = planDeployment(stagingConfiguration(zoned("datanode", "b", "c", "d"))).datanodes;
    if (!node) throw new Error("there is no datanode");
    const parameters = nodeParameters(node, {
      ...{ plan: planCassandra(fixturePlan()), nodes: [node], clients: [], tls: false },
    });
    const folder = mkdtempSync(join(tmpdir(), "wiab-rack-"));
    const check = () => {
      const text = renderInput(
        loadScript(`${projectDirectory}/components/data-services/cassandra`, "node.sh", serviceScript),
        parameters,
      ).replace('"$1" </dev/null', `DATA=${folder} SETTINGS=${folder}; check_rack </dev/null`);
      return spawnSync("bash", ["-s"], { input: text, encoding: "utf8" });
    };
    const rackdc = join(folder, "cassandra-rackdc.properties");
    writeFileSync(rackdc, "dc=datacenter1\nrack=rack1\n");
    expect(check()).toMatchObject({ status: 0, stderr: "" });
    writeFileSync(join(folder, "joined"), "5.0.9");
    expect(check()).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /^error: datanode1 has its data in Cassandra's rack rack1, and a node cannot move to b: set its zone back/,
      ),
    });
    writeFileSync(rackdc, parameters.RACK);
    expect(check()).toMatchObject({ status: 0, stderr: "" });
    rmSync(folder, { recursive: true });
  });
});

describe("a registry that is there already", () => {
  const registry = (more: Values = {}) => ({
    address: "registry.example.com:5000",
    push: { username: "robot", password: "x" },
    ...more,
  });
  const given = (more?: Values, encrypted = true) =>
    problemsOf(
      (values) => {
        values.artifact = {
          sources: [{ manifest: `${fixtureBundle}/manifest.json`, location: "/srv/artifact" }],
          registry: registry(more),
        };
      },
      encrypted
        ? {
            encrypted: [
              ["artifact", "registry", "push", "password"],
              ["artifact", "registry", "pull", "password"],
            ],
          }
        : {},
    );

  it("may have passwords that are stored encrypted", () => {
    expect(given({ pull: { username: "nodes", password: "y" } })).toEqual([]);
  });

  it("is refused with a password in plain text, or an authority that cannot be read", () => {
    expect(given({}, false)).toEqual([
      "artifact.registry.push.password: is a password in plain text; store it encrypted: pulumi config set --secret --path 'artifact.registry.push.password'",
    ]);
    expect(given({ authorityFile: "Pulumi.yaml" })).toEqual([
      "artifact.registry.authorityFile: Pulumi.yaml holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
    ]);
    expect(given({ authorityFile: "/nowhere/ca.crt" })).toEqual([
      expect.stringMatching(/^artifact\.registry\.authorityFile: /),
    ]);
  });

  it.each(["https://registry.example.com", "registry.example.com/wire", "user@registry", "registry:0"])(
    "is no %s",
    (address) => {
      expect(given({ address })).toEqual([
        expect.stringMatching(/^artifact\.registry\.address: must be a name or/),
      ]);
    },
  );
});

/** The examples of a document: each a whole stack file in YAML. */
const examplesOf = (document: string): string[] =>
  [
    ...readFileSync(`${projectDirectory}/${document}`, "utf8").matchAll(/```yaml\n(config:\n[\s\S]*?)```/g),
  ].map(([, text]) => text as string);

/** A value as the engine hands it over, with what the file has encrypted. */
const decrypted = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, entry) => (typeof entry?.secure === "string" ? entry.secure : entry));

describe("docs/existing.md", () => {
  const folder = mkdtempSync(join(tmpdir(), "wiab-existing-"));
  let authority: string;
  beforeAll(async () => {
    authority = readFileSync((await makeCertificate(folder, "registry.example.com")).authorityFile, "utf8");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const examples = examplesOf("docs/existing.md");
  it.each(examples.map((text) => [/# (.*)\n/.exec(text)?.[1] ?? "an example", text]))("%s", (_, text) => {
    const values: Values = Object.fromEntries(
      Object.entries<unknown>(parse(text).config).map(([key, value]) => [
        key.replace("wiab-staging:", ""),
        decrypted(value),
      ]),
    );
    // What an operator's files say is not the documents' business.
    const { warnings } = validate(values, {
      ...surroundings,
      encrypted: [
        ["artifact", "registry", "push", "password"],
        ["artifact", "registry", "pull", "password"],
      ],
      readText: () => authority,
      readManifest: () => readManifest(`${fixtureBundle}/manifest.json`),
    });
    expect(warnings.filter((line) => !/hostKey is missing/.test(line))).toEqual([]);
  });
  it("has an example", () => expect(examples.length).toBeGreaterThan(0));
});
