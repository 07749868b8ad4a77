import { beforeAll, describe, expect, it } from "vitest";
import { labValues, type Values } from "../stacks";
import { type Run, runProgram } from "./program";

let run: Run;

beforeAll(async () => {
  const { artifact, tls, wire, machines, ...values } = labValues("small");
  const own = { ...machines[0], name: "wickr", role: "wickr", memoryGiB: 8, diskGB: 200 };
  run = await runProgram("lab", {
    ...values,
    machines: [own],
    wickr: {
      hostname: "wickr.example.com",
      adminRanges: ["198.51.100.0/24"],
      disk: { serial: "wickr-data", unlock: "typed" },
    },
  });
}, 120_000);

const inputsOf = (name: string): Values => run.resources.find((one) => one.name === name)?.inputs ?? {};

describe("a stack with Wickr alone", () => {
  it("has a machine with a second disk under the serial number, and what is done on it", () => {
    const names = run.resources.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("wickr"))).toEqual(
      expect.arrayContaining(["wickr", "wickr-data-disk", "wickr-preflight", "wickr-ports", "wickr-volume"]),
    );
    expect(names.filter((name) => /artifact|kubernetes|cassandra|backup/.test(name))).toEqual([
      "secrets-kubernetes-authority",
      "secrets-kubernetes-etcd",
      "secrets-kubernetes-front-proxy",
      "secrets-kubernetes-service-accounts",
      "secrets-kubernetes-admin",
      "secrets-backups",
    ]);
    expect(inputsOf("wickr-data-disk")).toMatchObject({ name: "wickr-data.qcow2", size: 120_000_000_000 });
    expect(inputsOf("wickr-data-disk")).not.toHaveProperty("baseVolumeName");
    const domain = inputsOf("wickr-domain");
    expect(domain.disks).toHaveLength(3);
    expect(domain.xml.xslt).toContain("<serial>wickr-data</serial>");
  });

  it("shows the disk's key to nobody", () => {
    const { stdin, environment } = inputsOf("wickr-volume");
    const [, key] = /^KEY='([0-9a-f]{64})\n'$/m.exec(stdin) ?? [];
    expect(key).toBeDefined();
    expect(Object.keys(environment)).not.toContain("KEY");
    for (const { inputs, secretInputs } of run.resources) {
      const open = Object.entries(inputs).filter(([name]) => !secretInputs.includes(name));
      expect(JSON.stringify(open)).not.toContain(key);
    }
    expect(run.secretOutputs).toContain("wickr");
    expect(run.outputs.wickr).toMatchObject({ hostname: "wickr.example.com", diskKey: key });
  });
});
