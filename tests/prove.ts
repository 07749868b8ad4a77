import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDirectory } from "../toolchain/environment";
import type { Report } from "./report";

/** What came of tests; what has none of its own has no passed ones. */
export interface Counts {
  readonly passed: number;
  /** A line for each that failed, and for all else that went wrong. */
  readonly wrong: readonly string[];
}

/** What came of something that was to be proved. */
export interface Proof extends Counts {
  readonly name: string;
  readonly seconds: number;
}

export const hasPassed = ({ wrong }: Counts): boolean => wrong.length === 0;

/** Runs something under a heading. Whatever goes wrong beside its tests counts as one that failed. */
export async function prove(name: string, run: () => Promise<Counts>): Promise<Proof> {
  console.log(`\n=== ${name} ===`);
  const started = Date.now();
  const counts = await run().catch((error: Error) => {
    console.error(`error: ${error.message}`);
    return { passed: 0, wrong: [error.message] };
  });
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`=== ${name}: ${hasPassed(counts) ? "passed" : "FAILED"} after ${seconds} s ===`);
  return { name, seconds, ...counts };
}

/** Runs a command of the project with this process's screen and no input. @throws Error unless it succeeds. */
export async function succeed(command: string, ...args: readonly string[]): Promise<void> {
  const code = await start(command, args);
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}`);
}

function start(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: projectDirectory, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** Runs the tests whose path begins so. That none is found, or none is executed, is a failure. */
export async function vitest(path: string, ...options: readonly string[]): Promise<Counts> {
  const directory = mkdtempSync(join(tmpdir(), "wiab-tests-"));
  try {
    const report = join(directory, "report.json");
    const code = await start("node_modules/.bin/vitest", [
      ...["run", path, "--reporter=default", "--reporter=./tests/report.ts", `--outputFile.report=${report}`],
      ...options,
    ]);
    if (!existsSync(report)) throw new Error(`vitest ended with ${code} and without a report`);
    const { passed, wrong }: Report = JSON.parse(readFileSync(report, "utf8"));
    if (passed + wrong.length === 0) throw new Error(`no test of ${path} was executed`);
    if (code !== 0 && wrong.length === 0) throw new Error(`vitest ended with ${code}, and no test failed`);
    return { passed, wrong };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
