import { describeHost, type HostFacts } from "../../lab/host/facts";
import { markdownTable, table } from "../../toolchain/table";
import type { ArtifactRow } from "./artifact";
import { type Link, lengthOf, longestChain, type StateResource, sumOf } from "./chain";
import type { Measurement } from "./measure";

/** One row of the result. */
export interface Row {
  readonly operation: string;
  readonly wallSeconds: number;
  readonly sumSeconds: number;
  /** In the order in which the operation went through it. */
  readonly chain: readonly Link[];
  readonly peakMiB: number;
  /** Wall time in wall times of an empty program's preview; undefined where nobody asks. */
  readonly emptyPreviews: number | undefined;
}

/** Works out a row from a measurement and the state that holds the dependencies. */
export function makeRow(
  operation: string,
  { wallSeconds, peakMiB, timings }: Measurement,
  resources: readonly StateResource[],
  emptySeconds?: number,
): Row {
  const chain = longestChain(resources, timings);
  return {
    operation,
    wallSeconds,
    sumSeconds: sumOf(timings),
    // What was created last is deleted first.
    chain: operation === "destroy" ? chain.reverse() : chain,
    peakMiB,
    emptyPreviews: emptySeconds === undefined ? undefined : wallSeconds / emptySeconds,
  };
}

/** What was measured, on what. */
export interface Result {
  /** Where the section goes, such as `small`. */
  readonly name: string;
  /** The lab in words, such as `the small lab: 3 machines`. */
  readonly subject: string;
  readonly facts: Pick<HostFacts, "cpus" | "memoryMiB" | "kvm" | "os">;
  /** Day of the run, YYYY-MM-DD. */
  readonly date: string;
  readonly rows: readonly Row[];
}

const heads = [
  "operation",
  "wall",
  "sum of resources",
  "longest chain",
  "wall ÷ chain",
  "peak memory",
  "÷ empty preview",
];

function cells({ operation, wallSeconds, sumSeconds, chain, peakMiB, emptyPreviews }: Row): string[] {
  const length = lengthOf(chain);
  return [
    operation,
    `${wallSeconds.toFixed(1)} s`,
    `${sumSeconds.toFixed(1)} s`,
    `${length.toFixed(1)} s`,
    // Where the engine has nothing to do the chain is a few milliseconds, and a ratio to it says nothing.
    length < 0.5 ? "–" : (wallSeconds / length).toFixed(2),
    `${Math.round(peakMiB)} MiB`,
    emptyPreviews === undefined ? "–" : emptyPreviews.toFixed(2),
  ];
}

/** The links that took a tenth of a second or more, with their seconds. */
const describeChain = (chain: readonly Link[]): string =>
  chain
    .filter(({ seconds }) => seconds >= 0.05)
    .map(({ urn, seconds }) => `${urn.slice(urn.lastIndexOf("::") + 2)} (${seconds.toFixed(1)} s)`)
    .join(" → ");

const chains = (rows: readonly Row[]): string[] =>
  rows
    .map(({ operation, chain }) => [operation, describeChain(chain)] as const)
    .filter(([, description]) => description !== "")
    .map(([operation, description]) => `${operation}: ${description}`);

/** The day, what was measured, and on what. */
export function describeMachine({ facts, subject, date }: Omit<Result, "rows">): string {
  return `${date}, ${subject}, on ${describeHost(facts)}.`;
}

/** The result for the screen. */
export const renderScreen = (result: Result): string =>
  [
    describeMachine(result),
    "",
    table(heads, result.rows.map(cells)),
    "",
    "Longest chains:",
    ...chains(result.rows).map((line) => `  ${line}`),
  ].join("\n");

/** The result as Markdown. */
export function renderMarkdown(result: Result): string {
  return [
    describeMachine(result),
    "",
    markdownTable(heads, result.rows.map(cells), true),
    "",
    "Longest chains:",
    "",
    ...chains(result.rows).map((line) => `- ${line}`),
  ].join("\n");
}

const artifactHeads = ["step", "seconds", "MB", "MB/s"];

const artifactCells = ({ what, seconds, bytes }: ArtifactRow): string[] => [
  what,
  seconds.toFixed(1),
  (bytes / 1e6).toFixed(0),
  (bytes / 1e6 / seconds).toFixed(0),
];

/** The artifact's table for the screen and as Markdown. */
export function renderArtifact(
  result: Omit<Result, "rows">,
  rows: readonly ArtifactRow[],
): { readonly screen: string; readonly markdown: string } {
  const shown = rows.map(artifactCells);
  return {
    screen: [describeMachine(result), "", table(artifactHeads, shown)].join("\n"),
    markdown: [describeMachine(result), "", markdownTable(artifactHeads, shown, true)].join("\n"),
  };
}

/**
 * Puts a section between the markers `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of a page.
 * @throws Error if the page lacks the markers.
 */
export function replaceSection(page: string, name: string, section: string): string {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`docs/benchmarks.md needs the lines ${begin} and ${end} around the figures`);
  return `${page.slice(0, from + begin.length)}\n${section}\n${page.slice(to)}`;
}
