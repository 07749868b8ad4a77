import { cpSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import type { StackOutputs } from "../../components/deployment/outputs";
import { renderInventory, renderZone } from "../../examples/consumer/render";
import { run } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";
import { installToolchain } from "../../toolchain/install";
import { createScratchProject, type ScratchProject } from "../bench/scratch";
import { type Run, runProgram } from "../program/program";
import { stagingValues } from "../stacks";

/** Stands in for this project: puts out what the file named after its stack says. */
const producerProgram = `
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
const { outputs, secretOutputs } = JSON.parse(readFileSync(pulumi.getStack() + ".json", "utf8"));
export = Object.fromEntries(
  Object.entries(outputs).map(([name, value]) => [name, secretOutputs.includes(name) ? pulumi.secret(value) : value]),
);
`;

const privateKey = "a private key that nobody is to see";

let producer: ScratchProject;
let consumer: string;
let outputs: Run["outputs"];

const inFolder = (cwd: string, ...args: string[]) =>
  run("timeout", ["120", "pulumi", ...args, "--non-interactive"], { env: producer.env, cwd });

const up = (cwd: string, stack: string) =>
  inFolder(cwd, "up", "--yes", "--skip-preview", "--color", "never", "--stack", stack);

/** Brings up a stack of the producer with the given outputs. */
async function produce(stack: string, run: Pick<Run, "outputs" | "secretOutputs">): Promise<void> {
  writeFileSync(join(producer.directory, `${stack}.json`), JSON.stringify(run));
  await up(producer.directory, stack);
}

/** Brings up a stack of the consumer that reads the given stack. */
async function consume(stack: string, from: string): Promise<void> {
  await inFolder(consumer, "stack", "init", stack);
  await inFolder(consumer, "config", "set", "stack", from, "--stack", stack);
  await up(consumer, stack);
}

beforeAll(async () => {
  const staging = await runProgram("staging", stagingValues());
  outputs = { ...staging.outputs, sshPrivateKey: privateKey };
  producer = await createScratchProject((await installToolchain()).env, producerProgram, "wiab-staging");
  consumer = join(producer.directory, "../consumer");
  cpSync(join(projectDirectory, "examples/consumer"), consumer, {
    recursive: true,
    // Settings of stacks that somebody has made in the checkout are theirs.
    filter: (source) => !/Pulumi\.[^/]+\.yaml$/.test(source),
  });
  for (const name of ["node_modules", "package.json"])
    symlinkSync(join(projectDirectory, name), join(producer.directory, "..", name));
  await produce(producer.stack, { outputs, secretOutputs: staging.secretOutputs });
}, 300_000);

afterAll(() => producer?.remove());

describe("examples/consumer", () => {
  it("declares the outputs that index.ts has", () => {
    expectTypeOf<pulumi.Unwrap<typeof import("../../index")>>().toExtend<StackOutputs>();
  });

  it("turns a stack's outputs into a zone, an inventory and ports, and keeps the key secret", async () => {
    await consume("complete", `organization/wiab-staging/${producer.stack}`);
    const text = await inFolder(consumer, "stack", "output", "--json", "--stack", "complete");
    const { zone, inventory, open, sshPrivateKey } = JSON.parse(text);

    expect(zone.split("\n")).toContain("webapp.wire.example.com. 300 IN A 203.0.113.10");
    expect(zone.split("\n")).toContain('wire.example.com. 300 IN TXT "v=spf1 ip4:203.0.113.10 -all"');
    expect(zone.trimEnd().split("\n")).toHaveLength(outputs.dnsRecords.length);

    const jump = 'ansible_ssh_common_args="-J root@kvm.example.com:22"';
    expect(inventory).toContain(`[kubenode]\nkubenode1 ansible_host=192.168.122.21 ansible_user=`);
    expect(inventory.match(/^\w+ ansible_host=.*$/gm)).toHaveLength(7);
    for (const host of inventory.match(/^\w+ ansible_host=.*$/gm))
      expect(host).toMatch(new RegExp(` ansible_user=${outputs.sshUser} ${jump}$`));

    expect(open).toEqual({
      address: "203.0.113.10",
      ports: ["80/tcp", "443/tcp", "3478/tcp", "3478/udp", "32768-65535/udp"],
    });

    expect(sshPrivateKey).toBe("[secret]");
    expect(await inFolder(consumer, "stack", "export", "--stack", "complete")).not.toContain(privateKey);
    const shown = await inFolder(
      ...([consumer, "stack", "output", "sshPrivateKey", "--show-secrets", "--stack", "complete"] as const),
    );
    expect(shown).toBe(privateKey);
  }, 120_000);

  it("names all that the other stack lacks, and makes nothing of the rest", async () => {
    const { dnsRecords: _, machines: __, ...some } = outputs;
    await inFolder(producer.directory, "stack", "init", "incomplete");
    await produce("incomplete", { outputs: some, secretOutputs: ["sshPrivateKey"] });
    const refusal = await consume("of-incomplete", "organization/wiab-staging/incomplete").then(
      () => "no refusal",
      (error: Error) => error.message,
    );
    expect(refusal).toContain(
      "stack organization/wiab-staging/incomplete has no output dnsRecords, machines: it has not been",
    );
    expect(refusal).not.toMatch(/TypeError|^\s+at /m);
    expect(await inFolder(consumer, "stack", "output", "--json", "--stack", "of-incomplete")).toBe("{}");
  }, 120_000);

  it("says which stack it cannot find", async () => {
    await expect(consume("of-nothing", "organization/wiab-staging/nowhere")).rejects.toThrow(
      /organization\/wiab-staging\/nowhere/,
    );
  }, 120_000);
});

describe("its renderers", () => {
  it("escape what a zone file would take for its own", () => {
    expect(renderZone([{ name: "a.test", type: "TXT", value: 'say "\\o/"' }])).toBe(
      'a.test. 300 IN TXT "say \\"\\\\o/\\""\n',
    );
  });

  it("tell Ansible a port of its own, and no jump where there is none", () => {
    const machine = {
      ...{ name: "old", role: "datanode" as const, address: "192.0.2.7" },
      ...{ memoryGiB: 4, vcpus: 2, diskGB: 20, existing: true },
    };
    expect(renderInventory([{ ...machine, ssh: "ssh -p 2222 admin@192.0.2.7" }])).toBe(
      "[datanode]\nold ansible_host=192.0.2.7 ansible_user=admin ansible_port=2222\n",
    );
  });
});
