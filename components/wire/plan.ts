import type { ArtifactChart } from "../artifact/manifest";
import { chooseReleases, type ReleaseName } from "../config/releases";
import type { ChartReference } from "./charts";
import type { WireContext } from "./context";
import type { ChartFacts } from "./facts";
import { runValues } from "./releases/index";
import { mergeValues, staticValues, type Values, withoutPaths } from "./values";

/** Where the values of the releases come from, beside what follows from the context. */
export interface ReleaseSources {
  /** The chart of each release. */
  readonly chart: (release: ReleaseName) => ChartReference;
  /** Releases that Wire has given up. @default none */
  readonly dropped?: readonly ReleaseName[];
  /** What is known of the charts. @default they take every value */
  readonly facts?: Pick<ChartFacts, "unknown">;
  /** What the artifact says of the images of its charts. @default nothing */
  readonly artifactCharts?: readonly Pick<ArtifactChart, "name" | "values">[];
  /** Values of the operator's own, which come before all others. @default none */
  readonly values?: Readonly<Partial<Record<ReleaseName, Values>>>;
}

/** A release that is to be installed. */
export interface ReleaseRequest {
  readonly name: ReleaseName;
  readonly chart: ChartReference;
  readonly values: Values;
}

/** The releases that a context asks for, with all their values. */
export function planReleases(
  context: WireContext,
  { chart, artifactCharts = [], values, dropped, facts }: ReleaseSources,
): ReleaseRequest[] {
  const { callingNode, features, tls, mail } = context;
  return chooseReleases({
    calling: callingNode !== undefined,
    teamSettings: features.teamSettings,
    acme: tls.kind === "acme",
    mailRelay: mail.relay !== undefined,
    smallstep: values?.["smallstep-accomp"] !== undefined,
    dropped,
  }).map((name) => ({
    name,
    chart: chart(name),
    values: mergeValues(
      // Which images there are is the artifact's to say; nothing below names one.
      artifactCharts.find((known) => known.name === name)?.values ?? {},
      withoutPaths(
        mergeValues(staticValues(name), runValues[name]?.(context) ?? {}),
        facts?.unknown[name] ?? [],
      ),
      values?.[name] ?? {},
    ),
  }));
}
