import type { MachineFacts } from "./machines";
import type { Report } from "./report";

/** What programs/asset-host.py gives. */
export interface AssetHostFacts {
  /** Seconds since 1970. */
  readonly now: number;
  /** The newest of each service and node. */
  readonly backups: readonly {
    readonly service: string;
    readonly node: string;
    readonly bytes: number;
    /** Seconds since 1970. */
    readonly made: number;
    readonly kept: number;
  }[];
  /** When all of them were off the host as well, in seconds since 1970, and how the last run ended; null without a place. */
  readonly offHost: { readonly done: number; readonly result: string } | null;
  /** Seconds between two backups as planned; null where none are. */
  readonly interval: number | null;
  /** Status that the files are answered with, or what went wrong. */
  readonly files: number | string;
  readonly registry: number | string | null;
}

/** Services of which each node keeps its own; of the others the node that the service chooses. */
const onEachNode = ["cassandra", "etcd"];

const hours = (seconds: number): string => `${(seconds / 3600).toFixed(1)} h`;

/** Judges what the asset host serves, and whether every service has a backup that is not too old. */
export async function checkAssetHost(
  report: Report,
  facts: AssetHostFacts,
  machines: Readonly<Record<string, Pick<MachineFacts, "backups">>>,
): Promise<void> {
  await report.check("files for the machines", () => answered(facts.files, "nginx"));
  const { registry } = facts;
  if (registry !== null)
    await report.check("images for the machines", () => answered(registry, "docker-registry"));
  const { interval, offHost, now } = facts;
  if (offHost) await report.check("backups off the host", () => checkOffHost(offHost, now));
  if (interval === null) return report.note("no backups are planned");
  const timers = Object.entries(machines).flatMap(([node, { backups }]) =>
    backups.map((timer) => ({ node, ...timer })),
  );
  for (const service of [...new Set(timers.map((timer) => timer.service))].sort()) {
    const own = timers.filter((timer) => timer.service === service);
    const groups = onEachNode.includes(service) ? own.map((timer) => [timer]) : [own];
    for (const group of groups) {
      const name = groups.length > 1 ? `backup of ${service} on ${group[0]?.node}` : `backup of ${service}`;
      await report.check(name, () => checkBackup(facts, interval, service, group));
    }
  }
}

/** A timer brings them every hour, up to ten minutes late, and a large one takes its time. */
function checkOffHost({ done, result }: NonNullable<AssetHostFacts["offHost"]>, now: number): string {
  const look = "journalctl --unit wiab-offhost on the asset host";
  if (result !== "success") throw new Error(`the last run has failed: ${look}`);
  if (now - done > 3 * 3600) throw new Error(`nothing was brought there for ${hours(now - done)}: ${look}`);
  return `complete ${hours(now - done)} ago`;
}

function answered(found: number | string, service: string): string {
  if (typeof found === "string") throw new Error(`${found}: systemctl status ${service} on the asset host`);
  if (found >= 500) throw new Error(`answers ${found}: systemctl status ${service} on the asset host`);
  return `answers ${found}`;
}

function checkBackup(
  { now, backups }: AssetHostFacts,
  interval: number,
  service: string,
  timers: readonly {
    readonly node: string;
    readonly active: boolean;
    readonly result: string;
    readonly planned: number;
  }[],
): string {
  const off = timers.filter(({ active }) => !active);
  if (off.length > 0)
    throw new Error(
      `not planned any more on ${off.map(({ node }) => node)}: systemctl start wiab-backup-${service}.timer`,
    );
  const failed = timers.filter(({ result }) => result !== "success");
  if (failed.length > 0)
    throw new Error(
      `the last run failed on ${failed.map(({ node }) => node).join(", ")}: journalctl --unit wiab-backup-${service} there`,
    );
  const nodes = timers.map(({ node }) => node);
  const [newest] = backups
    .filter((backup) => backup.service === service && nodes.includes(backup.node))
    .sort((a, b) => b.made - a.made);
  // A timer adds up to a quarter of an hour, and a backup takes its time.
  const most = 1.5 * interval + 3600;
  const since = now - (newest?.made ?? Math.min(...timers.map(({ planned }) => planned)));
  if (since > most)
    throw new Error(
      newest
        ? `the newest is ${hours(since)} old, and one is due every ${hours(interval)}`
        : `there is none, though one was due every ${hours(interval)} for ${hours(since)}`,
    );
  return newest
    ? `${hours(since)} old, ${newest.bytes} bytes, ${newest.kept} kept`
    : `none yet; planned since ${hours(since)}, one is due every ${hours(interval)}`;
}
