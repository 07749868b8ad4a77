import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDirectory } from "../toolchain/environment";

/** How many tests passed and failed; what has no tests of its own has neither. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** What came of something that was to be proved. */
export interface Proof extends Counts {
  readonly name: string;
  readonly seconds: number;
}

export const hasPassed = ({ failed }: Counts): boolean => failed === 0;

/** Runs something under a heading. Whatever goes wrong beside its tests counts as one that failed. */
export async function prove(name: string, run: () => Promise<Counts>): Promise<Proof> {
  console.log(`\n=== ${name} ===`);
  const started = Date.now();
  const counts = await run().catch((error: Error) => {
    console.error(`error: ${error.message}`);
    return { passed: 0, failed: 1 };
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
      ...["run", path, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
      ...options,
    ]);
    if (!existsSync(report)) throw new Error(`vitest ended with ${code} and without a report`);
    const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(readFileSync(report, "utf8"));
    if (passed + failed === 0) throw new Error(`no test of ${path} was executed`);
    // A file that cannot even be loaded has no test to fail.
    return { passed, failed: code === 0 ? failed : Math.max(failed, 1) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
