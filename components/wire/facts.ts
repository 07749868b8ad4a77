import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { type ReleaseName, releaseNames, releases } from "../config/releases";
import { type ChartSource, listCharts } from "./charts";

/** Charts of a release of Wire, as `releases/<release>/charts.yaml` has them. */
export interface ChartFacts {
  /** Where they were read. */
  readonly source: string;
  /** Versions of all charts in its artifact, by name. */
  readonly charts: Readonly<Record<string, string>>;
  /**
   * Values that this program can set and charts of this release do not take, by release: the keys down to a value or
   * a section, joined by dots.
   */
  readonly unknown: Readonly<Partial<Record<ReleaseName, readonly string[]>>>;
}

/** Images of a release of Wire, as `releases/<release>/images.yaml` has them. */
export interface ImageFacts {
  /** Images by chart, of the charts that were to be had. */
  readonly helm: Readonly<Record<string, readonly string[]>>;
  /** The values by which Wire chooses images, by chart. */
  readonly values: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const directory = join(__dirname, "../../releases");

/** The releases of Wire that there are facts of, the oldest first. */
export const knownReleases = (): string[] =>
  readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, "charts.yaml")))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));

/** The release that a version of the chart wire-server belongs to: 5.32 for `5.32.0`. */
export const releaseOf = (version: string): string => version.split(".").slice(0, 2).join(".");

/** What is known of a release; undefined if that is nothing. */
export const chartFacts = (release: string): ChartFacts | undefined =>
  knownReleases().includes(release)
    ? parse(readFileSync(join(directory, release, "charts.yaml"), "utf8"))
    : undefined;

/** The images of a release; undefined if nothing is known of them. */
export const imageFacts = (release: string): ImageFacts | undefined => {
  const file = join(directory, release, "images.yaml");
  return existsSync(file) ? parse(readFileSync(file, "utf8")) : undefined;
};

/** Releases that Wire gives up: they are left out where the charts have them no more. */
const droppable: readonly ReleaseName[] = ["databases-ephemeral", "reaper"];

/**
 * The releases that are not among some charts and need not be: those that Wire has given up, unless it is known that
 * this release of Wire has them still.
 */
export const droppedReleases = (
  charts: ReadonlySet<string>,
  facts: Pick<ChartFacts, "charts"> | undefined,
): ReleaseName[] => droppable.filter((name) => !charts.has(name) && !facts?.charts[name]);

/** Which release of Wire charts belong to, and what is known of it. */
export interface ChartRelease {
  /** For example 5.32; undefined where the charts do not say. */
  readonly release: string | undefined;
  readonly facts: ChartFacts | undefined;
  readonly dropped: readonly ReleaseName[];
}

/** Finds out which release of Wire the charts of a place belong to. */
export function chartRelease(source: ChartSource): ChartRelease {
  const charts = listCharts(source);
  const version = charts ? charts.get("wire-server") : releases["wire-server"].version;
  const release = version && releaseOf(version);
  const facts = release === undefined ? undefined : chartFacts(release);
  return { release, facts, dropped: charts ? droppedReleases(new Set(charts.keys()), facts) : [] };
}

/** What is to be said of charts of a release that is not known; undefined if it is. */
export function releaseWarning(source: ChartSource): string | undefined {
  const { release, facts } = chartRelease(source);
  const charts = listCharts(source);
  const nearest = knownReleases().at(-1);
  const newest = nearest === undefined ? undefined : chartFacts(nearest);
  if (facts || !charts || !newest) return undefined;
  return (
    `the charts are of Wire's release ${release ?? "unknown"}, of which this program knows nothing ` +
    `(it knows ${knownReleases().join(", ")}): every value is set, and a chart may not take all of them. ` +
    `Compared with ${nearest}: ${differences(charts, newest).join("; ") || "the same charts"}`
  );
}

/**
 * In what the charts of a release that is not known differ from those of one that is: charts that are new, gone, or
 * that this program installs in another version.
 */
export function differences(
  charts: ReadonlyMap<string, string | undefined>,
  facts: Pick<ChartFacts, "charts">,
): string[] {
  const list = (names: readonly string[]) => [...names].sort().join(", ");
  const added = [...charts.keys()].filter((name) => !(name in facts.charts));
  const gone = Object.keys(facts.charts).filter((name) => !charts.has(name));
  const changed = releaseNames.flatMap((name) => {
    const [before, now] = [facts.charts[name], charts.get(name)];
    return before && now && before !== now ? [`${name} ${before} → ${now}`] : [];
  });
  return [
    ...(added.length > 0 ? [`charts that are new: ${list(added)}`] : []),
    ...(gone.length > 0 ? [`charts that are gone: ${list(gone)}`] : []),
    ...(changed.length > 0 ? [`other versions: ${changed.join(", ")}`] : []),
  ];
}
