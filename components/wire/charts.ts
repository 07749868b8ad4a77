import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { parse } from "yaml";
import { quotePath } from "../config/quote";
import { type ReleaseName, releases } from "../config/releases";

/** A chart as the Release resource takes it. */
export interface ChartReference {
  /** A path, or the name in the repository. */
  readonly chart: string;
  readonly version?: string;
  readonly repositoryOpts?: { readonly repo: string };
  /** Changes with the chart; the provider itself looks at the version of a chart in a folder, not at its files. */
  readonly fingerprint: string;
}

/** Where charts come from: one of them. */
export type ChartSource = { readonly directory: string } | { readonly repository: string };

/**
 * The chart of a release.
 * @throws Error if the folder has none.
 */
export function findChart(source: ChartSource, release: ReleaseName): ChartReference {
  const { version } = releases[release];
  if ("repository" in source) {
    const { repository } = source;
    return repository.startsWith("oci://")
      ? { chart: `${repository.replace(/\/$/, "")}/${release}`, version, fingerprint: version }
      : { chart: release, version, repositoryOpts: { repo: repository }, fingerprint: version };
  }
  const { directory } = source;
  const folder = join(directory, release);
  if (existsSync(join(folder, "Chart.yaml"))) return { chart: folder, fingerprint: fingerprint(folder) };
  const archives = isFolder(directory)
    ? readdirSync(directory).filter((name) => isArchiveOf(release, name))
    : [];
  const [archive, another] = archives;
  if (archive === undefined)
    throw new MissingChart(
      `${quotePath(directory)} has no chart ${release}: neither ${release}/Chart.yaml nor ${release}.tgz`,
    );
  if (another !== undefined)
    throw new Error(
      `${quotePath(directory)} has several charts ${release} (${archives.join(", ")}); leave one there`,
    );
  const chart = join(directory, archive);
  return { chart, fingerprint: fingerprint(chart) };
}

/** The charts that a folder has, with their versions where those can be told without unpacking; undefined elsewhere. */
export function listCharts(source: ChartSource): ReadonlyMap<string, string | undefined> | undefined {
  if ("repository" in source || !isFolder(source.directory)) return undefined;
  return new Map(
    readdirSync(source.directory).flatMap((file): [string, string | undefined][] => {
      const description = join(source.directory, file, "Chart.yaml");
      if (existsSync(description)) return [[file, `${parse(readFileSync(description, "utf8")).version}`]];
      const [, name, version] = /^(.+?)(?:-(\d+\..*))?\.tgz$/.exec(file) ?? [];
      return name ? [[name, version]] : [];
    }),
  );
}

/** Whether there is a folder of that name; what cannot be a name, or is out of reach, is none. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** A chart that a folder does not have. */
export class MissingChart extends Error {}

/** Whether a file is `<release>.tgz` or, as `helm package` writes it, `<release>-<version>.tgz`. */
const isArchiveOf = (release: string, file: string): boolean =>
  file === `${release}.tgz` ||
  (file.startsWith(`${release}-`) && /^\d+\..*\.tgz$/.test(file.slice(release.length + 1)));

function fingerprint(path: string): string {
  const hash = createHash("sha256");
  for (const file of filesOf(path).sort())
    hash
      .update(`${relative(path, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

const filesOf = (path: string): string[] =>
  path.endsWith(".tgz")
    ? [path]
    : readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
