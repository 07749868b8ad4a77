import type { StackOutputs } from "../components/deployment/outputs";
import { expectSame, type Report } from "./report";

/** What programs/machine.py gives. */
export interface MachineFacts {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly uptime: number;
  /** Processes that wait for each processor. */
  readonly load: number;
  readonly memory: { readonly bytes: number; readonly available: number };
  readonly disks: readonly {
    readonly mount: string;
    readonly bytes: number;
    /** Of 1. */
    readonly used: number;
    readonly inodes: number;
    readonly readOnly: boolean;
  }[];
  readonly failedUnits: readonly string[];
  /** Milliseconds from the host's clock; null if that does not answer. */
  readonly offset: number | null;
  /** Where the host tells no time: whether the machine keeps it by itself; else null. */
  readonly kept: boolean | null;
  readonly certificates: readonly { readonly file: string; readonly days: number }[];
  /** Errors in the journal of ten minutes. */
  readonly errors: readonly { readonly unit: string; readonly count: number; readonly text: string }[];
  /** Processes killed within a day because memory had run out. */
  readonly killed: number;
  /** Whether SSH takes passwords: `no`. */
  readonly passwords: string;
  readonly backups: readonly {
    readonly service: string;
    readonly active: boolean;
    /** systemd's word for how the last run ended. */
    readonly result: string;
    /** When its timer was set up, in seconds since 1970. */
    readonly planned: number;
  }[];
  readonly rebootRequired: boolean;
}

export type Machine = StackOutputs["machines"][number];

/**
 * From which share on a file system is too full: Elasticsearch gives a node no further shards then, and Kubernetes begins
 * to delete images.
 */
const fullest = 0.85;

/** Share of the memory that has to be left: below it the kernel is about to end processes. */
const scarce = 0.05;

/** Days before its end that a certificate has to be renewed by; what renews them by itself does so earlier. */
const leastDays = 14;

/** Milliseconds between clocks: Cassandra orders writes by them, and an emulated machine is rarely nearer than a few. */
const apart = 500;

/** How often in ten minutes the same error is one that goes on: every half minute. */
const repeatedly = 20;

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const gigabytes = (bytes: number): string => `${Math.round(bytes / 1e9)} GB`;

/** Judges what a machine says of itself. */
export async function checkMachine(report: Report, machine: Machine, facts: MachineFacts): Promise<void> {
  const { name } = machine;
  await report.check(`${name}: name and address`, () => {
    expectSame(facts.name, name);
    if (!facts.addresses.some((address) => address.startsWith(`${machine.address}/`)))
      throw new Error(`has ${facts.addresses.join(", ")}, not ${machine.address}`);
    return `${machine.address}, up for ${Math.round(facts.uptime / 3600)} h, load ${facts.load.toFixed(1)} for each processor`;
  });
  await report.check(`${name}: memory`, () => {
    const { bytes, available } = facts.memory;
    if (facts.killed > 0)
      throw new Error(
        `the kernel has ended ${facts.killed} processes within a day because memory had run out: raise memoryGiB (journalctl --dmesg --grep "Out of memory")`,
      );
    if (available < scarce)
      throw new Error(`${percent(available)} of ${gigabytes(bytes)} left: raise memoryGiB, or free some`);
    return `${percent(available)} of ${gigabytes(bytes)} left`;
  });
  await report.check(`${name}: disks`, () => {
    const wrong = facts.disks.flatMap(({ mount, bytes, used, inodes, readOnly }) => [
      ...(readOnly ? [`${mount} can only be read: look for disk errors in journalctl --dmesg`] : []),
      ...(used >= fullest
        ? [`${mount} is ${percent(used)} full of ${gigabytes(bytes)}: raise diskGB, or free some`]
        : []),
      ...(inodes >= fullest ? [`${mount} has used ${percent(inodes)} of its inodes`] : []),
    ]);
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
    return facts.disks
      .map(({ mount, bytes, used }) => `${mount} ${percent(used)} of ${gigabytes(bytes)}`)
      .join(", ");
  });
  await report.check(`${name}: clock`, () => {
    if (facts.kept === true) return "kept by the machine itself";
    if (facts.kept === false)
      throw new Error("nothing keeps it: run chrony or systemd-timesyncd, or set network.timeServer");
    if (facts.offset === null)
      throw new Error("the host does not tell the time: systemctl status 'wiab-time-*' on the host");
    if (Math.abs(facts.offset) >= apart) throw new Error(`${facts.offset} ms from the host's`);
    return `${facts.offset} ms from the host's`;
  });
  await report.check(`${name}: units`, () => {
    if (facts.failedUnits.length > 0)
      throw new Error(
        `failed: ${facts.failedUnits.join(", ")}: systemctl status and journalctl --unit say why`,
      );
    return `none has failed${facts.rebootRequired ? "; an update asks for a reboot" : ""}`;
  });
  await report.check(`${name}: errors`, () => {
    const repeated = facts.errors.filter(({ count }) => count >= repeatedly);
    if (repeated.length > 0)
      throw new Error(
        repeated.map(({ unit, count, text }) => `${unit}, ${count} times in ten minutes: ${text}`).join("\n"),
      );
    return `none goes on; ${facts.errors.length} different ones within ten minutes`;
  });
  await report.check(`${name}: certificates`, () => checkDays(facts.certificates, ({ file }) => file));
  await report.check(`${name}: SSH takes passwords`, () => expectSame(facts.passwords, "no"));
}

/** Gives the fewest days that certificates have left. @throws Error with those that have too few. */
export function checkDays<T extends { readonly days: number }>(
  certificates: readonly T[],
  nameOf: (certificate: T) => string,
): string {
  const [first] = [...certificates].sort((a, b) => a.days - b.days);
  if (!first) return "has none";
  const late = certificates.filter(({ days }) => days < leastDays);
  if (late.length > 0)
    throw new Error(
      late
        .map((each) =>
          each.days < 0
            ? `${nameOf(each)} ended ${Math.round(-each.days)} days ago`
            : `${nameOf(each)} has ${Math.floor(each.days)} days left`,
        )
        .join("\n"),
    );
  return `${certificates.length}, the next ends in ${Math.floor(first.days)} days`;
}
