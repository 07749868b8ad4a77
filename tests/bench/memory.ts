import { readdirSync, readFileSync } from "node:fs";

/** What is known of a process for adding up a family's memory. */
export interface ProcessMemory {
  readonly pid: number;
  readonly parent: number;
  /** Resident memory, KiB; pages that processes share count in each of them. */
  readonly residentKiB: number;
}

/** Resident memory in KiB of a process and all that it has started, down to the last descendant. */
export function familyKiB(processes: readonly ProcessMemory[], root: number): number {
  const children = processes.filter(({ parent }) => parent === root);
  return (
    (processes.find(({ pid }) => pid === root)?.residentKiB ?? 0) +
    children.reduce((sum, { pid }) => sum + familyKiB(processes, pid), 0)
  );
}

/** The processes of this machine, from /proc/PID/status (proc(5)). */
export function readProcesses(): ProcessMemory[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, "utf8");
        const field = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
        return { pid: Number(name), parent: field("PPid"), residentKiB: field("VmRSS") };
      } catch {
        // It has ended since the folder was read.
        return [];
      }
    });
}

/**
 * How often a family's memory is looked at, ms. A preview of an empty program can end within a second, and a look at all
 * processes takes two milliseconds.
 */
const interval = 100;

/** Looks at a process and its descendants now and every tenth of a second, until told to stop. */
export function watchMemory(pid: number): { stop: () => number } {
  let peakKiB = 0;
  const sample = () => {
    peakKiB = Math.max(peakKiB, familyKiB(readProcesses(), pid));
  };
  sample();
  const timer = setInterval(sample, interval);
  return {
    /** Ends the watch and gives the peak, MiB. */
    stop: () => {
      clearInterval(timer);
      return peakKiB / 1024;
    },
  };
}
