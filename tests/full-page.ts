import { markdownTable } from "../toolchain/table";
import { type Counts, hasPassed, type Proof } from "./prove";

/** A part of the full proof. */
export interface Part {
  readonly name: string;
  /** Runs it; `seen` is what it has measured. Rejects with what went wrong, if that is not a test that failed. */
  readonly run: () => Promise<Counts & { readonly seen?: string }>;
  /** Whether it makes the full lab or needs it. @default neither */
  readonly lab?: "makes" | "uses";
}

/** What came of a part. */
export interface PartResult extends Proof, Pick<Part, "lab"> {
  /** What it has measured; nothing where it failed. */
  readonly seen: string;
}

/** The page of a full proof, in Markdown. @param about - Day, commit and machine. */
export function renderPage(about: string, parts: readonly (PartResult | Pick<Part, "name">)[]): string {
  const results = parts.filter((part): part is PartResult => "seconds" in part);
  const failed = results.filter((result) => !hasPassed(result));
  const rows = parts.map((part) =>
    "seconds" in part ? describePart(part) : [part.name, "not run", "", "", ""],
  );
  const verdict = [
    `${results.length - failed.length} of ${parts.length} parts passed`,
    ...(failed.length > 0 ? [`${failed.length} failed: ${failed.map(({ name }) => name).join(", ")}`] : []),
    ...(results.length < parts.length ? [`${parts.length - results.length} were not run`] : []),
  ].join("; ");
  return `# The full proof

\`npm run test:full\` proves what \`npm test\` leaves out, and writes this page: of one commit, be it in several runs. The
tables of faults and drills are in [reliability.md](reliability.md), how images get to the nodes in
[benchmarks.md](benchmarks.md#distribution-of-images).

${about}. ${verdict}.

${markdownTable(["part", "result", "tests", "minutes", "seen"], rows)}
`;
}

function describePart(result: PartResult): string[] {
  const { name, passed, wrong, seconds, seen } = result;
  return [
    name,
    hasPassed(result) ? "passed" : "**FAILED**",
    passed > 0 ? `${passed} of ${passed + wrong.length}` : "",
    `${Math.round(seconds / 60)}`,
    wrong.length > 0 ? wrong.map(lastLine).join("; ") : seen,
  ];
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";
