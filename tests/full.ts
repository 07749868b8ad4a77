import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeHost, hostFacts } from "../lab/host/facts";
import { contentKey } from "../toolchain/cache";
import { run, runMain } from "../toolchain/commands";
import { projectDirectory, stateDirectory } from "../toolchain/environment";
import { resourcesIn } from "../toolchain/pulumi";
import { type Part, type PartResult, renderPage } from "./full-page";
import { type Counts, hasPassed, prove, vitest } from "./prove";
import { furtherStages, type Preparation } from "./stages";

const stack = "lab-full";

/** Runs one of the project's commands on the full lab, shows what it prints, and gives it. */
async function npm(command: string, ...args: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const take = (line: string) => {
    console.log(line);
    lines.push(line);
  };
  await run("npm", ["run", "--silent", command, "--", ...args], { cwd: projectDirectory, onLine: take });
  return lines.join("\n");
}

/** What a command of the full lab has shown, out of what it printed. */
const onLab =
  (see: (text: string) => string, command: string, ...args: readonly string[]) =>
  async (): Promise<Counts & { seen: string }> => ({
    passed: 0,
    wrong: [],
    seen: see(await npm(command, ...args, "--stack", stack)),
  });

const lastOf = (pattern: RegExp) => (text: string) => [...text.matchAll(pattern)].at(-1)?.[0] ?? "";

const withoutParallelism = "--no-file-parallelism";

const parts: readonly Part[] = [
  { name: "data services and Kubernetes natively", run: () => vitest("tests/services/", withoutParallelism) },
  { name: "a small lab with what goes wrong", run: () => vitest("tests/e2e/lab.test.ts") },
  { name: "the full lab from nothing", run: onLab(resourcesIn, "lab", "--size", "full"), lab: "makes" },
  {
    name: "every check from outside",
    run: onLab(lastOf(/\d+ passed, \d+ failed/g), "lab:verify"),
    lab: "uses",
  },
  {
    name: "another up",
    run: onLab(
      resourcesIn,
      "pulumi",
      "up",
      "--yes",
      "--skip-preview",
      "--expect-no-changes",
      "--non-interactive",
    ),
    lab: "uses",
  },
  { name: "images to the nodes", run: onLab(() => "", "bench", "distribution"), lab: "uses" },
  { name: "faults", run: onLab(lossesIn, "faults"), lab: "uses" },
  { name: "drills", run: onLab(() => "", "drills"), lab: "uses" },
  { name: "the checks once more", run: onLab(lastOf(/\d+ passed, \d+ failed/g), "lab:verify"), lab: "uses" },
  { name: "destroy", run: onLab(resourcesIn, "lab:destroy") },
  { name: "an upgrade of Kubernetes", run: () => vitest("tests/e2e/upgrade.test.ts") },
];

function lossesIn(text: string): string {
  const reports = [...text.matchAll(/(\d+) acknowledged, (\d+) lost/g)];
  const sum = (index: number) => reports.reduce((total, report) => total + Number(report[index]), 0);
  return `${reports.length} writers, ${sum(1)} records acknowledged, ${sum(2)} lost`;
}

/**
 * `npm run test:full [-- words …]`: proves what `npm test` does not, part after part whatever becomes of the others, and
 * writes docs/proof.md. With words, only the parts that have one of them in their names; the page has besides what was
 * proved of the same commit before, and says of the rest that it was not run.
 */
async function main(): Promise<number> {
  const words = process.argv.slice(2);
  const chosen = parts.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (chosen.length === 0)
    throw new Error(
      `no part has "${words.join('" or "')}" in its name; there are\n${parts.map(({ name }) => name).join("\n")}`,
    );
  const { about, record } = await describeRun();
  for (const need of new Set(furtherStages.flatMap(({ needs }): readonly Preparation[] => needs)))
    await need.run();

  const results = new Map(readRecord(record).map((result) => [result.name, result]));
  for (const part of chosen) {
    const without =
      part.lab === "uses" &&
      [...results.values()].some(({ lab, ...proof }) => lab === "makes" && !hasPassed(proof));
    let seen = "";
    const proof = await prove(part.name, async () => {
      if (without) throw new Error("the full lab was not there");
      const came = await part.run();
      seen = ("seen" in came && came.seen) || "";
      return came;
    });
    results.set(part.name, { ...proof, lab: part.lab, seen });
    writeFileSync(record, JSON.stringify([...results.values()]));
  }
  const page = renderPage(
    about,
    parts.map(({ name }) => results.get(name) ?? { name }),
  );
  console.log(`\n${page}`);
  writeFileSync(join(projectDirectory, "docs/proof.md"), page);
  return chosen.every(({ name }) => hasPassed(results.get(name) as PartResult)) ? 0 : 1;
}

/** The day, the commit and the machine; and the file that keeps what was proved of just these files. */
async function describeRun(): Promise<{ about: string; record: string }> {
  const git = (...args: string[]) => run("git", args, { cwd: projectDirectory });
  const commit = await git("rev-parse", "--short=12", "HEAD");
  // The parts write into the docs themselves.
  const others = ["--", ".", ":!docs"];
  const changes = await git("diff", "HEAD", ...others);
  const changed = (await git("status", "--porcelain", ...others)) === "" ? "" : " with changes of its own";
  const folder = join(stateDirectory, "proof");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const host = describeHost(await hostFacts("/var/lib/libvirt/images"));
  return {
    about: `${new Date().toISOString().slice(0, 10)}, commit ${commit}${changed}, on ${host}`,
    record: join(folder, `${contentKey([commit, changes, changed])}.json`),
  };
}

const readRecord = (file: string): PartResult[] =>
  existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];

runMain(
  main,
  `usage: npm run test:full

Proves what npm test leaves out, for hours, and writes docs/proof.md.`,
);
