import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../lab/certificate";
import { labValues, type Values } from "../stacks";
import { type Run, runProgram } from "./program";

const folder = mkdtempSync(join(tmpdir(), "wiab-existing-"));
afterAll(() => rmSync(folder, { recursive: true }));

const keyFiles = () => makeCertificate(folder, "key.example.com");

/** The lab's values with machines that exist already, and a key that can be read. */
async function existingValues(): Promise<Values> {
  const { privateKeyFile } = await keyFiles();
  const values = labValues("full", true);
  for (const machine of values.machines) machine.existing.privateKeyFile = privateKeyFile;
  return values;
}

const inputsOf = (run: Run, name: string): Values =>
  run.resources.find((each) => each.name === name)?.inputs ?? {};
const parameter = (run: Run, name: string, variable: string) =>
  new RegExp(`^${variable}='([^']*)'$`, "m").exec(inputsOf(run, name).stdin)?.[1];

describe("machines that exist already, without a hypervisor", () => {
  let run: Run;
  beforeAll(async () => {
    run = await runProgram("lab", await existingValues());
  });

  it("have nothing of libvirt, nor a time server, and the host is checked for what it hands out alone", () => {
    const types = run.resources.map(({ type }) => type);
    expect(types.filter((type) => /libvirt|VirtualMachine|:Host$|TimeServer/.test(type))).toEqual([]);
    expect(types).toContain("wiab:host:Depot");
    expect(inputsOf(run, "host-preflight-host").stdin).not.toContain("virsh");
    expect(types.filter((type) => type === "wiab:host:ExistingMachine")).toHaveLength(7);
    expect(parameter(run, "artifact-datanode1-sources", "TIME_SERVER")).toBe("");
  });

  it("have their firewall on the gateway, after a look at it, with no probation that would harden it", () => {
    expect(parameter(run, "gateway-check", "MACHINES")?.split(" ")).toHaveLength(7);
    expect(inputsOf(run, "firewall-wiab-lab").stdin).toMatch(
      /ip daddr \{ (192\.168\.230\.\d+(, )?){7} \} goto to-machines/,
    );
    expect(run.resources.some(({ name }) => name === "firewall-wiab-lab-confirm")).toBe(false);
  });

  it("have everything else that is on the machines, Wire included", () => {
    for (const name of ["postgresql-ready", "kubernetes-addons", "wire-wire-server", "wire-front"])
      expect(inputsOf(run, name), name).not.toEqual({});
    expect(run.outputs.network).toEqual({ name: "wiab-lab", cidr: "192.168.230.0/24", gateway: null });
    expect(run.outputs.machines.every(({ existing }: Values) => existing)).toBe(true);
  });
});

it("images go to a registry that is there already, which the nodes have as their mirror, and no password is plain", async () => {
  const values = await existingValues();
  values.artifact.registry = {
    address: "registry.example.com:5000",
    authorityFile: (await keyFiles()).authorityFile,
    push: { username: "robot", password: "push-password" },
    pull: { username: "nodes", password: "pull-password" },
  };
  const run = await runProgram("lab", values, ["artifact"]);
  expect(parameter(run, "artifact-registry-images", "REGISTRY")).toBe("registry.example.com:5000");
  expect(parameter(run, "artifact-registry-images", "PUSH_USER")).toBe("robot");
  expect(parameter(run, "artifact-registry-images", "PUSH_PASSWORD")).toBe("push-password");
  const basic = Buffer.from("nodes:pull-password").toString("base64");
  for (const name of ["kubenode1", "kubenode2", "kubenode3"]) {
    const hosts = parameter(run, `runtime-${name}-containerd`, "HOSTS");
    expect(hosts).toContain('server = "https://registry.example.com:5000"');
    expect(hosts).toContain('ca = "/etc/wiab/registry-ca.crt"');
    expect(hosts).toContain(`Authorization = ["Basic ${basic}"]`);
    expect(parameter(run, `runtime-${name}-containerd`, "REGISTRY_AUTHORITY")).toContain("BEGIN CERTIFICATE");
  }
  expect(run.outputs.assets.registry).toBe("registry.example.com:5000");
  const plain = run.resources.flatMap(({ name, inputs, secretInputs }) =>
    Object.entries(inputs)
      .filter(
        ([, value]) =>
          /push-password|pull-password/.test(JSON.stringify(value)) || JSON.stringify(value).includes(basic),
      )
      .flatMap(([key]) => (secretInputs.includes(key) ? [] : [`${name}.${key}`])),
  );
  expect(plain).toEqual([]);
});

it("the rules are an output where the operator's router has them", async () => {
  const values = await existingValues();
  values.network.timeServer = "192.168.230.1";
  const { gateway: _, publicInterface: __, ...firewall } = values.firewall;
  const run = await runProgram("lab", { ...values, firewall: { ...firewall, rules: "output" } });
  expect(run.resources.filter(({ type }) => /Firewall|Gateway/.test(type))).toEqual([]);
  expect(run.outputs.firewallRules).toContain("table inet wiab-lab {");
  expect(run.outputs.publicPorts).toContainEqual({
    ...{ protocol: "tcp", ports: "3478", target: run.outputs.callingNode },
  });
  expect(inputsOf(run, "wire-front")).not.toEqual({});
  expect(parameter(run, "artifact-datanode1-sources", "TIME_SERVER")).toBe("192.168.230.1");
});
