import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { sep } from "node:path";
import { waitUntil } from "./commands";

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly executable: string;
}

/** Whether a process runs; one that has ended and waits for its parent to notice does not. */
export const isAlive = (pid: number): boolean => readProcess(pid) !== undefined;

/**
 * Ends the engine's plugins that go on after their engine was killed, with everything that they have
 * started: while they live they may still change what the next run is about to look at.
 * @param home the Pulumi home whose programs are meant.
 * @returns the names of what was ended.
 */
export async function endOrphans(home: string): Promise<string[]> {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
  const byPid = new Map(processes.map((process) => [process.pid, process]));
  const isPlugin = ({ executable }: Process) =>
    executable.startsWith(home + sep) && !executable.endsWith("/pulumi");
  const hasEngine = (process: Process): boolean => {
    const parent = byPid.get(process.parent);
    return parent !== undefined && (parent.executable.endsWith("/bin/pulumi") || hasEngine(parent));
  };
  const orphans = processes.filter((process) => isPlugin(process) && !hasEngine(process));
  const family = new Set(orphans.map(({ pid }) => pid));
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const { pid, parent } of processes) if (family.has(parent)) family.add(pid);
  }
  for (const pid of family) signal(pid, "SIGKILL");
  await waitUntil("orphaned plugins end", 10, async () => ![...family].some(isAlive));
  return orphans.map(({ command }) => command);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}

/** Reads /proc/PID/stat (proc(5)); undefined if there is no such process or it has ended. */
function readProcess(pid: number): Process | undefined {
  try {
    const [, command = "", state, parent] =
      /^\d+ \((.*)\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    if (state === "Z") return undefined;
    return { pid, parent: Number(parent), command, executable: executableOf(pid) };
  } catch {
    return undefined;
  }
}

function executableOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return "";
  }
}
