import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { namespaceOf, type ReleaseName } from "../components/config/releases";
import { type ChartSource, findChart } from "../components/wire/charts";
import type { ChartFacts } from "../components/wire/facts";
import type { Values } from "../components/wire/values";
import { findUnknown, leavesOf } from "./effects";
import { alternatives, releasesOf, samples, valuesOf } from "./sample";

/** What was found out about a release's chart. */
export interface ChartReport {
  readonly release: ReleaseName;
  /** Version of the chart that was looked at; undefined where there is none. */
  readonly version: string | undefined;
  /** How many values the program sets. */
  readonly values: number;
  /** Values that the chart does not know, as `section.key`. */
  readonly unknown: readonly string[];
  /** Why there is no chart, or why it does not render. */
  readonly problem: string | undefined;
}

/** The `helm` command: gives what it writes. */
export type RunHelm = (...args: string[]) => Promise<string>;

/**
 * Tries the chart of a release with the values of every sample that has it.
 * @param scratch - An empty folder.
 * @param facts - What is known of the release of Wire that the charts belong to. @default they take every value
 */
export async function checkChart(
  release: ReleaseName,
  source: ChartSource,
  helm: RunHelm,
  scratch: string,
  facts?: Pick<ChartFacts, "unknown">,
): Promise<ChartReport> {
  const report = { release, version: undefined, values: 0, unknown: [], problem: undefined };
  let chart: string;
  try {
    chart = findChart(source, release).chart;
  } catch (error) {
    return { ...report, problem: (error as Error).message };
  }
  const { version }: { version: string } = parse(await helm("show", "chart", chart));
  const file = join(scratch, `${release}.yaml`);
  const render = (values: Values) => {
    writeFileSync(file, stringify(values));
    return helm("template", release, chart, "--namespace", namespaceOf(release), "--values", file);
  };
  const known = new Map<string, boolean>();
  for (const sample of samples.filter((one) => releasesOf(one).includes(release))) {
    const values = await valuesOf(release, sample, facts);
    const keys = leavesOf(values).map((path) => path.join("."));
    try {
      const unknown = await findUnknown(values, await render(values), render, alternatives);
      const unheeded = new Set(unknown.map((path) => path.join(".")));
      // A value that means something in one sample is none that the chart does not know.
      for (const key of keys) known.set(key, known.get(key) || !unheeded.has(key));
    } catch (error) {
      return {
        ...report,
        version,
        values: keys.length,
        problem: `${sample.name}: ${reason(error as Error)}`,
      };
    }
  }
  const unknown = [...known].filter(([, isKnown]) => !isKnown).map(([key]) => key);
  return { ...report, version, values: known.size, unknown };
}

/** The part of Helm's message that says what is wrong. */
const reason = ({ message }: Error): string =>
  message
    .split("\n")
    .filter((line) => /^Error: /.test(line))
    .join(" ")
    .replace(/^Error: /, "") || message;
