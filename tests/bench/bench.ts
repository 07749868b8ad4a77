import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { labEnvironment, runMain, stackFile } from "../../lab/context";
import { buildGuestImage } from "../../lab/guest/image";
import { run } from "../../lab/host/commands";
import { hostFacts } from "../../lab/host/facts";
import { prepareHost } from "../../lab/host/prepare";
import { chooseSize, type LabSize, labConfiguration } from "../../lab/stack";
import { projectDirectory } from "../../toolchain/environment";
import { createStack, pulumiOutput } from "../../toolchain/pulumi";
import type { StateResource } from "./chain";
import { type Measurement, measure } from "./measure";
import { makeRow, renderMarkdown, renderScreen, replaceSection } from "./report";
import { createScratchProject } from "./scratch";

type Environment = Readonly<Record<string, string>>;

const page = join(projectDirectory, "docs/benchmarks.md");

/** Times that an operation without work is run; what counts is the one in the middle. */
const repetitions = 3;

/** `npm run bench`: measures a lab of its own from nothing to nothing and writes docs/benchmarks.md. */
async function main(): Promise<number> {
  const { stack, size: asked } = readBenchOptions();
  if (existsSync(stackFile(stack)))
    throw new Error(
      `the lab ${stack} is there already, and "up" is measured from nothing: ` +
        `run "npm run lab:destroy -- --stack ${stack}" first`,
    );
  // Ctrl-C reaches the CLI through the terminal; this process waits for its orderly end.
  process.on("SIGINT", () => {});
  await prepareHost();
  const { env } = await labEnvironment();
  const image = await buildGuestImage();
  const facts = await hostFacts("/var/lib/libvirt/images");
  const size = asked ?? chooseSize(facts).size;
  const configuration = labConfiguration({ stack, size, facts, image });
  const config = Object.fromEntries(
    Object.entries(configuration).map(([key, value]) => [`wiab-staging:${key}`, value]),
  );
  writeFileSync(stackFile(stack), stringify({ config }));
  await createStack(env, stack);

  const measured = await measureLab(env, stack).catch((error: Error) => {
    const advice = `the lab stays for a look; "npm run lab:destroy -- --stack ${stack}" takes it away`;
    throw new Error(`${error.message}\n${advice}`);
  });
  await run("sh", ["toolchain/run.sh", "lab/destroy.ts", "--stack", stack], {
    cwd: projectDirectory,
    onLine: (line) => console.log(line),
  });

  const result = {
    name: size,
    subject: `the ${size} lab with ${configuration.machines?.length} machines`,
    facts,
    date: new Date().toISOString().slice(0, 10),
    rows: measured,
  };
  writeFileSync(page, replaceSection(readFileSync(page, "utf8"), size, renderMarkdown(result)));
  console.log(`\n${renderScreen(result)}\n\nwritten to docs/benchmarks.md`);
  return 0;
}

function readBenchOptions(): { stack: string; size: LabSize | undefined } {
  const { values } = parseArgs({
    options: { stack: { type: "string", default: "lab-bench" }, size: { type: "string" } },
  });
  const { stack, size } = values;
  if (!/^lab-[a-z0-9-]+$/.test(stack))
    throw new Error(
      `--stack ${stack}: it starts with "lab-", for the bench makes and destroys a lab of its own`,
    );
  if (size !== undefined && size !== "full" && size !== "small")
    throw new Error(`--size ${size}: accepted are full and small`);
  return { stack, size };
}

async function measureLab(env: Environment, stack: string) {
  const inLab = (command: readonly string[]) =>
    measure({ env, directory: projectDirectory, command: [...command, "--stack", stack] });
  const upCommand = ["up", "--yes", "--skip-preview"];

  const up = await inLab(upCommand);
  const resources = await readState(env, stack);
  const { noop, preview, empty } = await measureWithoutWork(env, {
    noop: () => inLab(upCommand),
    preview: () => inLab(["preview", "--expect-no-changes"]),
  });
  const destroy = await inLab(["destroy", "--yes", "--skip-preview"]);

  return [
    makeRow("up from nothing", up, resources),
    makeRow("no-op up", noop, resources, empty.wallSeconds),
    makeRow("preview", preview, resources, empty.wallSeconds),
    makeRow("destroy", destroy, resources),
    makeRow("preview of an empty program", empty, []),
  ];
}

/** Runs what has no work to do by turns with an empty program's preview, so that all meet the same machine. */
async function measureWithoutWork(
  env: Environment,
  operations: { readonly noop: () => Promise<Measurement>; readonly preview: () => Promise<Measurement> },
) {
  const scratch = await createScratchProject(env, "");
  const all = {
    ...operations,
    empty: () =>
      measure({
        env: scratch.env,
        directory: scratch.directory,
        command: ["preview", "--stack", scratch.stack],
      }),
  };
  const runs: Record<keyof typeof all, Measurement[]> = { noop: [], preview: [], empty: [] };
  try {
    for (let round = 0; round < repetitions; round++)
      for (const name of Object.keys(all) as (keyof typeof all)[]) runs[name].push(await all[name]());
  } finally {
    scratch.remove();
  }
  return { noop: median(runs.noop), preview: median(runs.preview), empty: median(runs.empty) };
}

function median(measurements: readonly Measurement[]): Measurement {
  const sorted = [...measurements].sort((a, b) => a.wallSeconds - b.wallSeconds);
  return sorted[Math.floor(sorted.length / 2)] as Measurement;
}

async function readState(env: Environment, stack: string): Promise<StateResource[]> {
  return JSON.parse(await pulumiOutput(env, ["stack", "export", "--stack", stack])).deployment.resources;
}

runMain(main);
