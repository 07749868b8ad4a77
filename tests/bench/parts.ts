import type { Timings } from "./chain";

/** A part of a run that other parts went on beside. */
export interface Part {
  readonly name: string;
  /** Seconds from the first of its steps to the end of the last one, with whatever they waited for. */
  readonly wallSeconds: number;
  /** Seconds of its steps one after another. */
  readonly sumSeconds: number;
}

const services = ["cassandra", "postgresql", "elasticsearch", "minio", "rabbitmq"] as const;

/** What the names of a part's resources begin with. */
const parts: Readonly<Record<string, RegExp>> = {
  ...Object.fromEntries(services.map((service) => [service, new RegExp(`^${service}-`)])),
  "all five data services": new RegExp(`^(${services.join("|")})-`),
  "Kubernetes, from the first login to all nodes ready": /^(kubenode\d+-login|runtime-|kubernetes-)/,
  "Wire's releases": /^wire-/,
};

/** What the larger parts of an `up` took; a part that the run did not have is left out. */
export function partsOf({ seconds, spans }: Timings): Part[] {
  const named = [...spans].map(([urn, span]) => ({
    urn,
    name: urn.slice(urn.lastIndexOf("::") + 2),
    ...span,
  }));
  return Object.entries(parts).flatMap(([name, pattern]) => {
    const steps = named.filter((step) => pattern.test(step.name));
    if (steps.length === 0) return [];
    const from = Math.min(...steps.map((step) => step.from));
    const to = Math.max(...steps.map((step) => step.to));
    const sumSeconds = steps.reduce((sum, { urn }) => sum + (seconds.get(urn) ?? 0), 0);
    return [{ name, wallSeconds: (to - from) / 1000, sumSeconds }];
  });
}

/** How long all data services took in times of the longest of them; undefined without any. */
export function servicesByLongest(parts: readonly Part[]): number | undefined {
  const wall = (name: string) => parts.find((part) => part.name === name)?.wallSeconds ?? 0;
  const longest = Math.max(...services.map(wall));
  return longest > 0 ? wall("all five data services") / longest : undefined;
}

/** The parts as Markdown. */
export function renderParts(all: readonly Part[]): string {
  const ratio = servicesByLongest(all);
  return [
    "| part | wall | one after another | ratio |",
    "| --- | ---: | ---: | ---: |",
    ...all.map(
      ({ name, wallSeconds, sumSeconds }) =>
        `| ${name} | ${wallSeconds.toFixed(1)} s | ${sumSeconds.toFixed(1)} s | ${(wallSeconds / sumSeconds).toFixed(2)} |`,
    ),
    ...(ratio === undefined
      ? []
      : ["", `All five data services took ${ratio.toFixed(2)} times as long as the longest of them.`]),
  ].join("\n");
}
