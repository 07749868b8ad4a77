import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { asRoot, waitUntil } from "../../toolchain/commands";

/** A process that the lab started and has to end again. */
interface StartedProcess {
  readonly name: string;
  readonly pid: number;
  /** Clock ticks between the machine's start and the process's: with the pid it names one process for good. */
  readonly startTicks: string;
}

const recordFile = join(__dirname, "../../.state/processes.json");

/** The 22nd field of /proc/PID/stat (proc(5)), or undefined when there is no such process. */
export function startTicks(pid: number): string | undefined {
  try {
    // The second field is the program's name in brackets and may itself contain spaces and brackets.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19];
  } catch {
    return undefined;
  }
}

function readRecord(): StartedProcess[] {
  return existsSync(recordFile) ? JSON.parse(readFileSync(recordFile, "utf8")) : [];
}

function writeRecord(processes: readonly StartedProcess[]): void {
  if (processes.length === 0) {
    rmSync(recordFile, { force: true });
    return;
  }
  mkdirSync(dirname(recordFile), { recursive: true });
  writeFileSync(`${recordFile}.new`, `${JSON.stringify(processes, null, 2)}\n`);
  renameSync(`${recordFile}.new`, recordFile);
}

/** Of the processes that the lab started, those that still run. */
export function startedProcesses(): readonly StartedProcess[] {
  return readRecord().filter(({ pid, startTicks: ticks }) => startTicks(pid) === ticks);
}

/** Notes that the lab started the process `pid`. */
export function recordProcess(name: string, pid: number): void {
  const ticks = startTicks(pid);
  if (ticks !== undefined) writeRecord([...startedProcesses(), { name, pid, startTicks: ticks }]);
}

/** Ends those of the recorded processes that still run, one after the other, newest first. */
export async function endStartedProcesses(): Promise<void> {
  for (const started of [...startedProcesses()].reverse()) {
    await asRoot("kill", ["-TERM", String(started.pid)]);
    await waitUntil(`end of ${started.name} (process ${started.pid})`, 30, async () => {
      return startTicks(started.pid) !== started.startTicks;
    });
  }
  writeRecord([]);
}
