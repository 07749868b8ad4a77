import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withKeys } from "../../checks/agent";
import { quote } from "../../components/config/quote";
import { checkLabName, keysOf, labEnvironment, readOutputs } from "../../lab/context";
import { describeLab, writeSection } from "../../lab/record";
import { run, runMain } from "../../toolchain/commands";
import { stateDirectory } from "../../toolchain/environment";
import { importImages, makeSupplies, removeImages, type Supplies } from "./kubernetes-conformance/images";
import { buildTests } from "./kubernetes-conformance/programs";
import { showProgress } from "./kubernetes-conformance/progress";
import {
  endedIn,
  mergeReports,
  readReport,
  renderResults,
  type SpecReport,
  sumUp,
} from "./kubernetes-conformance/results";
import { ginkgoChoice, type Rule, rulesFor } from "./kubernetes-conformance/selection";
import { type RemoteMachine, reachBy } from "./verify/machine";

/** What the command was told. */
interface Options {
  readonly stack: string;
  /** Minutes after which no more tests are begun, and those that run are ended. */
  readonly minutes: number;
  /** Tests that run at a time. */
  readonly procs: number;
  /** Whether tests that ended in former runs on this lab are not run again. */
  readonly goOn: boolean;
  /** Whether those are run as well that take long, and those that disturb the whole cluster. */
  readonly all: boolean;
  /** Only tests with one of these in their names. */
  readonly words: readonly string[];
}

/**
 * `npm run conformance [-- --minutes 30 --procs 4 --all --go-on words …]`: runs Kubernetes' own conformance tests against
 * the lab's cluster, those that need nothing from outside, and writes the counts into docs/reliability.md. With `--go-on`
 * it goes on where the last run was cut off by its time, and counts both; with `--all` it runs `[Serial]` and `[Slow]` too.
 */
async function main(): Promise<number> {
  const options = readTestOptions();
  // Ctrl-C reaches the tests through the terminal; this process waits until they have tidied up.
  process.on("SIGINT", () => {});
  const { env } = await labEnvironment();
  const outputs = await readOutputs(env, options.stack);
  const { kubeconfig } = outputs;
  if (!kubeconfig) throw new Error(`the lab ${options.stack} has no Kubernetes`);
  const supplies = await makeSupplies();
  const tests = await buildTests(supplies.variables);
  await checkNames(tests, supplies);
  const nodes = outputs.machines.filter(({ role }) => role === "kubenode");
  const rules = rulesFor(nodes.length, options.all);

  const runs = await withKeys(keysOf(options.stack, outputs), async (agent) => {
    const machines = nodes.map(({ name }) => reachBy(outputs, agent)(name));
    return withCluster(machines, supplies, kubeconfig, (file) =>
      runTests(tests, file, supplies, rules, options),
    );
  });
  const results = sumUp(mergeReports(runs.map(({ specs }) => specs)), rules);
  const about = `${await describeLab(outputs)}; \`e2e.test\` of ${supplies.version}, ${options.procs} tests at a time.`;
  const shown = [
    about,
    "",
    renderResults(
      results,
      runs.map(({ minutes }) => minutes),
    ),
  ];
  console.log(`\n${shown.join("\n")}`);
  if (results.passed + results.failed.length === 0)
    throw new Error(`no test ran; what was said is in ${recordsOf(options.stack)}/output.txt`);
  if (options.words.length === 0) writeSection("conformance", shown.join("\n"));
  return results.failed.length === 0 ? 0 : 1;
}

function readTestOptions(): Options {
  const { values, positionals } = parseArgs({
    options: {
      stack: { type: "string", default: "lab" },
      minutes: { type: "string", default: "30" },
      procs: { type: "string", default: "4" },
      all: { type: "boolean", default: false },
      "go-on": { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  checkLabName(values.stack);
  const number = (name: "minutes" | "procs") => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`--${name} ${quote(values[name])}: must be a whole number, 1 or more`);
    return value;
  };
  return {
    stack: values.stack,
    minutes: number("minutes"),
    procs: number("procs"),
    all: values.all,
    goOn: values["go-on"],
    words: positionals,
  };
}

/** @throws Error if the tests, being another version's, do not ask for images that were made for them. */
async function checkNames(tests: string, { images, version }: Supplies): Promise<void> {
  const asked = new Set((await run(tests, ["--list-images"])).split("\n"));
  const strange = images.filter((name) => !asked.has(name));
  if (strange.length > 0)
    throw new Error(
      `the tests of ${version} do not ask for ${strange.join(", ")}: ` +
        "give tests/acceptance/kubernetes-conformance/images.ts the versions that they want (test/utils/image/manifest.go)",
    );
}

/** Where the output and the reports of the last run are, and of those that it went on from; they are of tests' own objects and hold no secret of the lab's. */
const recordsOf = (stack: string): string => join(stateDirectory, "kubernetes-conformance", stack);

/** Gives `work` the path of a kubeconfig while the nodes have the tests' images, and leaves the cluster as it was. */
async function withCluster<T>(
  nodes: readonly RemoteMachine[],
  { kubectl, images, archive }: Supplies,
  kubeconfig: string,
  work: (kubeconfig: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "wiab-conformance-"));
  const file = join(directory, "kubeconfig");
  try {
    writeFileSync(file, kubeconfig, { mode: 0o600 });
    console.log(`bringing ${images.length} images to ${nodes.map(({ name }) => name).join(", ")}`);
    await Promise.all(nodes.map((node) => importImages(node, archive)));
    return await work(file);
  } finally {
    // Tests that were ended in the middle may leave theirs.
    await run(kubectl, [
      ...["--kubeconfig", file, "delete", "namespaces", "--selector", "e2e-framework", "--timeout", "300s"],
    ]);
    await Promise.all(nodes.map((node) => removeImages(node, images)));
    rmSync(directory, { recursive: true });
  }
}

/** Ginkgo's report of a run. */
interface Run {
  /** After which it was to end. */
  readonly minutes: number;
  readonly specs: readonly SpecReport[];
}

/** Runs the tests, whatever their verdict, and gives this run's report behind those that it goes on from. */
async function runTests(
  tests: string,
  kubeconfig: string,
  { ginkgo, kubectl }: Supplies,
  rules: readonly Rule[],
  { stack, minutes, procs, goOn, words }: Options,
): Promise<readonly Run[]> {
  const records = recordsOf(stack);
  if (!goOn) rmSync(records, { recursive: true, force: true });
  mkdirSync(records, { recursive: true, mode: 0o700 });
  const former = readRuns(records);
  const ended = endedIn(mergeReports(former.map(({ specs }) => specs)));
  const report = `report-${former.length + 1}-${minutes}.json`;
  const progress = showProgress();
  await run(
    ginkgo,
    [
      ...[`--procs=${procs}`, `--timeout=${minutes}m`, "--no-color", "-v"],
      // The same order every time, so that those which the time cuts off are the same ones.
      "--seed=1",
      ...ginkgoChoice(rules, words, ended),
      ...[`--output-dir=${records}`, `--json-report=${report}`],
      ...[tests, "--", `--kubeconfig=${kubeconfig}`, `--kubectl-path=${kubectl}`, "--provider=skeleton"],
      // All files that they need are in the program.
      "--repo-root=",
    ],
    {
      onLine: (line) => {
        appendFileSync(join(records, "output.txt"), `${line}\n`);
        progress(line);
      },
    },
  ).catch((error: Error) => {
    // So it ends if a test has failed, of which the report tells.
    if (!existsSync(join(records, report))) throw error;
  });
  return readRuns(records);
}

/** The runs that a folder has reports of, in their order. */
const readRuns = (records: string): Run[] =>
  readdirSync(records)
    .flatMap((file) => {
      const [, number, minutes] = /^report-(\d+)-(\d+)\.json$/.exec(file) ?? [];
      return number && minutes ? [{ file, number: Number(number), minutes: Number(minutes) }] : [];
    })
    .sort((a, b) => a.number - b.number)
    .map(({ file, minutes }) => ({ minutes, specs: readReport(join(records, file)) }));

runMain(
  main,
  `usage: npm run conformance -- [--stack lab] [options]

Runs Kubernetes' own conformance tests on the lab's cluster (docs/lab.md).`,
);
