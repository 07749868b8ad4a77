import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Helm } from "../bundle/charts/helm";
import { Workshop } from "../bundle/workshop";
import { type ReleaseName, releaseNames, releases } from "../components/config/releases";
import { chartRelease, releaseWarning } from "../components/wire/facts";
import { runMain } from "../toolchain/commands";
import { projectDirectory } from "../toolchain/environment";
import { table } from "../toolchain/table";
import { type ChartReport, checkChart } from "./chart";

/**
 * `npm run charts:check -- --charts DIR [--write TEXT]`: tries the charts of a folder with the values that the program
 * sets. Ends with 1 where a chart does not render or does not know a value. `--write` puts the table into
 * docs/charts.md, below a line that says what the folder holds.
 */

const document = join(projectDirectory, "docs/charts.md");
const begin = "<!-- written by npm run charts:check -->";
const end = "<!-- end -->";

const usage = 'usage: npm run charts:check -- --charts DIR [--write "what the folder holds"]';

/** Only with values of the operator's own is there anything to render. */
const optional: readonly ReleaseName[] = ["smallstep-accomp"];

const heads = ["release", "pinned", "looked at", "values", "result"];

const result = ({ problem, unknown }: ChartReport): string =>
  problem ?? (unknown.length > 0 ? `does not know ${unknown.join(", ")}` : "renders, knows all");

const row = (report: ChartReport): string[] => [
  report.release,
  releases[report.release].version,
  report.version ?? "–",
  `${report.values}`,
  result(report),
];

/** The table as Markdown, in place of what stands between the marks. */
function write(reports: readonly ChartReport[], what: string): void {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const lines = [line(heads), line(heads.map(() => "---")), ...reports.map((report) => line(row(report)))];
  const text = readFileSync(document, "utf8");
  const [before = "", rest = ""] = text.split(begin);
  const after = rest.slice(rest.indexOf(end));
  writeFileSync(document, [`${before}${begin}`, "", what, "", ...lines, "", after].join("\n"));
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { charts: { type: "string" }, write: { type: "string" } } });
  if (!values.charts) throw new Error(usage);
  const scratch = mkdtempSync(join(tmpdir(), "wiab-charts-"));
  try {
    const helm = await Helm.open(new Workshop(projectDirectory, false), join(scratch, "helm"));
    const source = { directory: values.charts };
    const { release, facts, dropped } = chartRelease(source);
    console.log(
      facts
        ? `charts of Wire's release ${release}, known from ${facts.source}`
        : (releaseWarning(source) ?? "charts of no release of Wire that is known"),
    );
    const reports: ChartReport[] = [];
    for (const name of releaseNames.filter((each) => ![...optional, ...dropped].includes(each)))
      reports.push(await checkChart(name, source, (...args) => helm.run(...args), scratch, facts));
    console.log(table(heads, reports.map(row)));
    if (values.write !== undefined) write(reports, values.write);
    return reports.some(({ problem, unknown }) => problem || unknown.length > 0) ? 1 : 0;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

runMain(main, usage, 2);
