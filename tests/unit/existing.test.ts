import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readManifest } from "../../components/artifact/reader/bundle";
import { planDeployment } from "../../components/config/plan";
import { planRuleset, renderRuleset } from "../../components/host/firewall/ruleset";
import { validate } from "../../components/validation/validate";
import { projectDirectory } from "../../toolchain/environment";
import { fixtureBundle, stagingConfiguration, surroundings, type Values } from "../stacks";
import { problemsOf } from "./refused";

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
      inside: { kind: "routed", networks: ["10.20.0.0/24", "10.30.0.35", "10.30.0.36", "10.30.0.37"] },
      hardenInput: false,
      sshPort: 22,
    });
    const rules = renderRuleset(planRuleset(config, plan));
    expect(rules).not.toMatch(/wirebox"/);
    expect(rules).toContain("ip daddr { 10.20.0.0/24, 10.30.0.35, 10.30.0.36, 10.30.0.37 } goto to-machines");
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
      "a gateway that is a machine's address",
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

/** The examples of a document: each a whole stack file in YAML. */
const examplesOf = (document: string): string[] =>
  [
    ...readFileSync(`${projectDirectory}/${document}`, "utf8").matchAll(/```yaml\n(config:\n[\s\S]*?)```/g),
  ].map(([, text]) => text as string);

describe("docs/existing.md", () => {
  const examples = examplesOf("docs/existing.md");
  it.each(examples.map((text) => [/# (.*)\n/.exec(text)?.[1] ?? "an example", text]))("%s", (_, text) => {
    const values: Values = Object.fromEntries(
      Object.entries<unknown>(parse(text).config).map(([key, value]) => [
        key.replace("wiab-staging:", ""),
        value,
      ]),
    );
    // What an operator's files say is not the documents' business.
    const { warnings } = validate(values, {
      ...surroundings,
      readManifest: () => readManifest(`${fixtureBundle}/manifest.json`),
    });
    expect(warnings.filter((line) => !/hostKey is missing/.test(line))).toEqual([]);
  });
  it("has an example", () => expect(examples.length).toBeGreaterThan(0));
});
