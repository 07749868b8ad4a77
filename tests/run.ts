import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { helmSource } from "../bundle/charts/helm";
import { buildGo } from "../bundle/sources/program";
import { Workshop } from "../bundle/workshop";
import { buildLabBundle } from "../lab/bundle";
import { installPackages, missingPackages } from "../lab/host/packages";
import { prepareHost } from "../lab/host/prepare";
import { runMain } from "../toolchain/commands";
import { projectDirectory } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import { table } from "../toolchain/table";

/** How many tests of a stage passed and failed; a stage without tests of its own has neither. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** A part of the proof that can be asked for by its name: `npm test -- unit program`. */
interface Stage {
  readonly name: string;
  /** What it needs of the machine besides Node and its packages, installed before the first stage. */
  readonly needs: readonly Need[];
  /** Minutes that it may take on two cores without KVM; only `--within` asks. */
  readonly minutes: number;
  /** Runs it; rejects with what went wrong, if that is not a test that failed. */
  readonly run: () => Promise<Counts>;
}

type Need = keyof typeof preparations;

/** Debian packages that the script tests use, besides those that the lab needs itself. */
const testPackages = [
  "apt-utils",
  "ca-certificates",
  "curl",
  "debian-archive-keyring",
  "gnupg",
  "iproute2",
  "iputils-ping",
  "mmdebstrap",
  "nftables",
  "openssh-client",
  "openssl",
  "shellcheck",
  "skopeo",
];

const preparations = {
  namespaces: async () => {
    if (process.getuid?.() !== 0)
      throw new Error("the script tests make network namespaces, which takes root: sudo npm test");
    const missing = await missingPackages(testPackages);
    if (missing.length === 0) return;
    console.log(`installing for the tests: ${missing.join(", ")}`);
    await installPackages(missing, () => {});
  },
  helm: async () => void (await buildGo(helmSource, new Workshop(projectDirectory, false))),
  toolchain: async () => void (await installToolchain()),
  bundle: async () => void (await buildLabBundle()),
  machines: prepareHost,
};

const stages: readonly Stage[] = [
  {
    name: "lint",
    needs: [],
    minutes: 1,
    run: async () => {
      await succeed("npm", ["run", "--silent", "lint"]);
      return { passed: 0, failed: 0 };
    },
  },
  {
    name: "docs",
    needs: [],
    minutes: 1,
    run: async () => {
      await succeed("sh", ["toolchain/run.sh", "components/config/generate-docs.ts", "--check"]);
      return { passed: 0, failed: 0 };
    },
  },
  { name: "unit", needs: [], minutes: 2, run: () => vitest("unit") },
  { name: "program", needs: [], minutes: 1, run: () => vitest("program") },
  { name: "scripts", needs: ["namespaces", "helm"], minutes: 6, run: () => vitest("scripts") },
  { name: "graph", needs: ["toolchain"], minutes: 3, run: () => vitest("graph") },
  {
    name: "services",
    needs: ["namespaces", "toolchain", "bundle"],
    minutes: 90,
    // One file at a time: each has a cluster of its own, and a machine has cores for one.
    run: () => vitest("services", ["--no-file-parallelism"]),
  },
  {
    name: "e2e",
    needs: ["machines", "toolchain", "bundle"],
    minutes: 60,
    // One file at a time: each has a lab of its own, and a machine has cores for one.
    run: () => vitest("e2e", ["--no-file-parallelism"]),
  },
];

/** Runs a command of the project with this process's screen and no input; gives its exit code. */
function start(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: projectDirectory, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

async function succeed(command: string, args: readonly string[]): Promise<void> {
  const code = await start(command, args);
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}`);
}

/** Runs the tests in a folder. That none is found, or none is executed, is a failure. */
async function vitest(folder: string, options: readonly string[] = []): Promise<Counts> {
  const directory = mkdtempSync(join(tmpdir(), "wiab-tests-"));
  try {
    const report = join(directory, "report.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const code = await start("node_modules/.bin/vitest", [
      ...["run", `tests/${folder}/`],
      ...reporters,
      ...options,
    ]);
    if (!existsSync(report)) throw new Error(`vitest ended with ${code} and without a report`);
    const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(readFileSync(report, "utf8"));
    if (passed + failed === 0) throw new Error(`no test of tests/${folder}/ was executed`);
    // A file that cannot even be loaded has no test to fail.
    return { passed, failed: code === 0 ? failed : Math.max(failed, 1) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs a stage under a heading. Whatever goes wrong beside its tests counts as one that failed. */
async function prove(heading: string, run: () => Promise<Counts>): Promise<Counts & { seconds: number }> {
  console.log(`\n=== ${heading} ===`);
  const started = Date.now();
  const counts = await run().catch((error: Error) => {
    console.error(`error: ${error.message}`);
    return { passed: 0, failed: 1 };
  });
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`=== ${heading}: ${counts.failed === 0 ? "passed" : "FAILED"} after ${seconds} s ===`);
  return { ...counts, seconds };
}

/** What the command line asks for: stages by name, in their own order and all without any, and how long at most. */
function readOptions() {
  const { values, positionals } = parseArgs({
    options: { within: { type: "string" } },
    allowPositionals: true,
  });
  const within = values.within === undefined ? Number.POSITIVE_INFINITY : Number(values.within);
  if (!(within > 0)) throw new Error(`--within ${values.within}: wanted is a number of minutes`);
  return { chosen: chosenStages(positionals), within };
}

function chosenStages(names: readonly string[]): readonly Stage[] {
  const known = stages.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no stage ${unknown.join(", ")}; known are ${known.join(", ")}`);
  return names.length === 0 ? stages : stages.filter(({ name }) => names.includes(name));
}

/** Proves the project; see CONTRIBUTING.md. The last line it prints has the number of tests. */
async function main(): Promise<number> {
  const { chosen, within } = readOptions();
  const started = Date.now();
  const leftOut: string[] = [];
  const needs = new Set(chosen.flatMap((stage) => stage.needs));
  const proofs: (readonly [string, Counts & { seconds: number }])[] = [];
  if (needs.size > 0) {
    const prepared = await prove("preparing this machine", async () => {
      for (const need of needs) await preparations[need]();
      return { passed: 0, failed: 0 };
    });
    proofs.push(["prepare", prepared]);
  }
  // A machine that could not be prepared would only add failures that say less.
  if (proofs.every(([, { failed }]) => failed === 0))
    for (const { name, run, minutes } of chosen) {
      const gone = (Date.now() - started) / 60_000;
      if (gone + minutes <= within) proofs.push([name, await prove(name, run)]);
      else leftOut.push(`${name} (${gone.toFixed(0)} minutes are gone, and it may take ${minutes})`);
    }

  console.log(
    `\n${table(
      ["stage", "result", "passed", "failed", "seconds"],
      proofs.map(([name, { passed, failed, seconds }]) => [
        name,
        failed === 0 ? "passed" : "FAILED",
        `${passed}`,
        `${failed}`,
        `${seconds}`,
      ]),
    )}\n`,
  );
  if (leftOut.length > 0)
    console.log(`NOT RUN, for it would not end within ${within} minutes: ${leftOut.join(", ")}\n`);
  const total = (count: (counts: Counts) => number) =>
    proofs.reduce((sum, [, counts]) => sum + count(counts), 0);
  console.log(`tests: ${total(({ passed }) => passed)} passed, ${total(({ failed }) => failed)} failed`);
  return proofs.length > 0 && proofs.every(([, { failed }]) => failed === 0) ? 0 : 1;
}

runMain(main);
