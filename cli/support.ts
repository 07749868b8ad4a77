import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { findDrift } from "../checks/drift";
import { inspect } from "../checks/inspect";
import { withReach } from "../checks/reach";
import type { StackRecord } from "../checks/record";
import { Report } from "../checks/report";
import { redactor } from "../checks/secret";
import { askMachines, writeFiles } from "../checks/support";
import { run, runMain } from "../toolchain/commands";
import { projectDirectory } from "../toolchain/environment";
import { stackRecord } from "./stack-record";

const usage = `usage: npm run support -- [--stack staging] [--output FILE.tar.gz]

Gathers what whoever looks for a fault wants to see: what verify and drift find, logs, events, units and versions of all
machines, the configuration and the list of resources. No secret of the stack is in it: each is blotted out.`;

/** `npm run support`: one archive for a bug report. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { stack: { type: "string", default: "staging" }, output: { type: "string" } },
  });
  const { stack } = values;
  const name = `${stack}-support-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}`;
  const output = resolve(values.output ?? `${name}.tar.gz`);
  const record = await stackRecord(stack);
  const folder = mkdtempSync(join(tmpdir(), "wiab-support-"));
  try {
    const files = { ...(await gather(stack, record)), ...ofCheckout(stack, record) };
    writeFiles(join(folder, name), files, redactor(record.deployment));
    await run("tar", ["--create", "--gzip", "--file", output, "--directory", folder, name]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`wrote ${output}; look through it before it leaves your hands`);
  return 0;
}

/** What there is on the machines, by file. */
const gather = (stack: string, record: StackRecord): Promise<Record<string, string>> =>
  withReach(record, async (reach) => {
    const report = new Report((line) => console.error(line));
    const [machines, drift] = await Promise.all([
      askMachines(record, reach),
      findDrift(stack, record, reach),
      inspect(report, record, reach),
    ]);
    return {
      ...machines,
      "drift.json": JSON.stringify(drift, null, 2),
      "verify.json": JSON.stringify(report.entries, null, 2),
    };
  });

/** What the workstation has: configuration, resources without what they were given, versions. */
function ofCheckout(stack: string, { resources }: StackRecord): Record<string, string> {
  const file = join(projectDirectory, `Pulumi.${stack}.yaml`);
  const commit = () => execFileSync("git", ["describe", "--always", "--dirty"], { cwd: projectDirectory });
  return {
    ...(existsSync(file) ? { "configuration.yaml": readFileSync(file, "utf8") } : {}),
    "resources.txt": resources.map(({ name, type }) => `${type} ${name}`).join("\n"),
    "versions.txt": [
      `node ${process.version}`,
      `program ${existsSync(join(projectDirectory, ".git")) ? commit().toString().trim() : "without git"}`,
    ].join("\n"),
  };
}

runMain(main, usage);
