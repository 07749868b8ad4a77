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
  /** What it has measured or, where it failed, what went wrong. */
  readonly seen: string;
}

/** The page of a full proof, in Markdown. @param about - Day, commit and machine. */
export function renderPage(about: string, results: readonly PartResult[]): string {
  const failed = results.filter((result) => !hasPassed(result));
  const rows = results.map((result) => [
    result.name,
    hasPassed(result) ? "passed" : "**FAILED**",
    result.passed + result.failed > 0 && result.passed > 0
      ? `${result.passed} of ${result.passed + result.failed}`
      : "",
    `${Math.round(result.seconds / 60)}`,
    hasPassed(result) ? result.seen : lastLine(result.seen),
  ]);
  const verdict =
    failed.length === 0
      ? `All ${results.length} parts passed.`
      : `${failed.length} of ${results.length} parts failed: ${failed.map(({ name }) => name).join(", ")}.`;
  return `# The full proof

\`npm run test:full\` proves what \`npm test\` leaves out, and writes this page. The tables of faults and drills are in
[reliability.md](reliability.md), how images get to the nodes in [benchmarks.md](benchmarks.md#distribution-of-images).

${about}. ${verdict}

${markdownTable(["part", "result", "tests", "minutes", "seen"], rows)}
`;
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";
