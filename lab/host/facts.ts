import { closeSync, constants, existsSync, openSync, readFileSync, statfsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";

/** What the lab wants to know of the machine that it runs on, to choose its size. */
export interface HostFacts {
  /** Processors that this process may use. */
  readonly cpus: number;
  /** Memory in all, MiB. */
  readonly memoryMiB: number;
  /** Memory that can be had without swapping, MiB. */
  readonly availableMemoryMiB: number;
  /** Free space where the pool's folder lies or will lie, in units of 10^9 bytes. */
  readonly freeDiskGB: number;
  /** Whether virtual machines run on the processor itself; otherwise they are emulated in software. */
  readonly kvm: boolean;
  /** Whether systemd runs this machine's services. */
  readonly systemd: boolean;
  /** The distribution as it calls itself, such as `Debian GNU/Linux 12 (bookworm)`. */
  readonly os: string;
}

/** The machine in words, for figures that were measured on it. */
export function describeHost({
  cpus,
  memoryMiB,
  kvm,
  os,
}: Pick<HostFacts, "cpus" | "memoryMiB" | "kvm" | "os">): string {
  const memory = `${Math.round(memoryMiB / 1024)} GiB`;
  return `${cpus} cores, ${memory}, ${kvm ? "KVM" : "no KVM (virtual machines are emulated)"}, ${os}`;
}

/** The fields of os-release(5). */
export function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, key, value] = /^([A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) fields[key] = value.replace(/^(["'])(.*)\1$/, "$2");
  }
  return fields;
}

/** This machine's os-release(5). */
export function osRelease(): Readonly<Record<string, string>> {
  return parseOsRelease(existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "");
}

/** Whether systemd is process 1; its own test, sd_booted(3), is this folder. */
export function hasSystemd(): boolean {
  return existsSync("/run/systemd/system");
}

/** Looks at this machine. `poolPath` need not exist yet: the nearest folder above it counts. */
export async function hostFacts(poolPath: string): Promise<HostFacts> {
  const memory = readFileSync("/proc/meminfo", "utf8");
  const disk = statfsSync(nearestExisting(resolve(poolPath)));
  return {
    cpus: availableParallelism(),
    memoryMiB: meminfoMiB(memory, "MemTotal"),
    availableMemoryMiB: meminfoMiB(memory, "MemAvailable"),
    freeDiskGB: Math.floor((disk.bavail * disk.bsize) / 1e9),
    kvm: processorVirtualises(readFileSync("/proc/cpuinfo", "utf8")) && kvmUsable(),
    systemd: hasSystemd(),
    os: osRelease().PRETTY_NAME ?? "an unknown system",
  };
}

/** Whether the processor's flags have hardware virtualisation. `/dev/kvm` alone does not mean it. */
export function processorVirtualises(cpuinfo: string): boolean {
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(cpuinfo);
}

function meminfoMiB(meminfo: string, field: string): number {
  const kiB = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1];
  if (kiB === undefined) throw new Error(`/proc/meminfo has no ${field}`);
  return Math.floor(Number(kiB) / 1024);
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestExisting(dirname(path));
}

function kvmUsable(): boolean {
  try {
    closeSync(openSync("/dev/kvm", constants.O_RDWR));
    return true;
  } catch {
    // QEMU runs as a user of its own that is in the device's group; ours need not be.
    return existsSync("/dev/kvm") && (statSync("/dev/kvm").mode & 0o060) === 0o060;
  }
}
