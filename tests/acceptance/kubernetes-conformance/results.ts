import { readFileSync } from "node:fs";
import { conformance, leftOut, type Rule } from "./selection";

/** What Ginkgo's report says of one test, as far as it matters here. */
export interface SpecReport {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  /** `passed`, `failed`, `skipped`, `timedout` … */
  readonly State: string;
  /** Why it failed, or why it skipped itself. */
  readonly Failure?: { readonly Message?: string };
}

/** A test with what it said. */
export interface Remark {
  readonly name: string;
  readonly message: string;
}

/** What has become of all conformance tests. */
export interface Results {
  /** How many there are. */
  readonly all: number;
  /** How many were left out, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** Those that found that they do not apply to this cluster. */
  readonly declined: readonly Remark[];
  /** How many did not begin, or did not end, within the time. */
  readonly unfinished: number;
  readonly passed: number;
  readonly failed: readonly Remark[];
}

/** The tests that Ginkgo's JSON report has. */
export const readReport = (file: string): readonly SpecReport[] =>
  (JSON.parse(readFileSync(file, "utf8")) as { SpecReports: SpecReport[] | null }[]).flatMap(
    ({ SpecReports }) => SpecReports ?? [],
  );

/** What Ginkgo says of a test that the end of the time has cut off. */
const cutOff = new Set(["timedout", "interrupted", "aborted"]);

const nameOf = ({ ContainerHierarchyTexts, LeafNodeText }: SpecReport): string =>
  [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(" ");

/** A test that did not begin, because nobody asked for it or the time was over, is "skipped" and says nothing. */
const hasEnded = ({ State, Failure }: SpecReport): boolean =>
  !cutOff.has(State) && (State !== "skipped" || (Failure?.Message ?? "").trim() !== "");

/** Names of the tests that have come to an end in a report. */
export const endedIn = (specs: readonly SpecReport[]): string[] =>
  specs.filter((spec) => spec.LeafNodeType === "It" && hasEnded(spec)).map(nameOf);

/** One report of several, each of all tests: of each test the last one in which it has ended. */
export function mergeReports(reports: readonly (readonly SpecReport[])[]): readonly SpecReport[] {
  const merged = new Map<string, SpecReport>();
  for (const spec of reports.flat()) {
    const name = nameOf(spec);
    if (!merged.has(name) || hasEnded(spec)) merged.set(name, spec);
  }
  return [...merged.values()];
}

/** Counts what a report says of the conformance tests; it has all others as well. */
export function sumUp(specs: readonly SpecReport[], rules: readonly Rule[]): Results {
  const counts = { all: 0, unfinished: 0, passed: 0 };
  const reasons = new Map<string, number>(rules.map(({ reason }) => [reason, 0]));
  const declined: Remark[] = [];
  const failed: Remark[] = [];
  for (const spec of specs) {
    const name = nameOf(spec);
    if (spec.LeafNodeType !== "It" || !new RegExp(conformance).test(name)) continue;
    counts.all++;
    const reason = leftOut(name, rules);
    const message = (spec.Failure?.Message ?? "").split("\n").find((line) => line.trim()) ?? "";
    if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    else if (spec.State === "passed") counts.passed++;
    else if (!hasEnded(spec)) counts.unfinished++;
    else if (spec.State === "skipped") declined.push({ name, message });
    else failed.push({ name, message });
  }
  return { ...counts, leftOut: reasons, declined, failed };
}

/** Longest piece of a test's message that is told, in characters. */
const longest = 200;

/**
 * The results in Markdown.
 * @param minutes after which no more tests were begun, run by run.
 */
export function renderResults(results: Results, minutes: readonly number[]): string {
  const row = (what: string, count: number) => `| ${what} | ${count} |`;
  const list = (title: string, remarks: readonly Remark[]) =>
    remarks.length === 0
      ? []
      : ["", title, "", ...remarks.map(({ name, message }) => `- ${name}: ${shortened(message)}`)];
  return [
    "| `[Conformance]` tests | |",
    "| --- | ---: |",
    row("in all", results.all),
    ...[...results.leftOut].map(([reason, count]) => row(`left out: ${reason}`, count)),
    row("do not apply to this cluster, as they found themselves", results.declined.length),
    row(`not ended within ${minutes.join(" + ")} min`, results.unfinished),
    row("**passed**", results.passed),
    row("**failed**", results.failed.length),
    ...list("Failed:", results.failed),
    ...list("Do not apply:", results.declined),
  ].join("\n");
}

const shortened = (text: string): string => (text.length <= longest ? text : `${text.slice(0, longest)} …`);
