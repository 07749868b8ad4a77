import { run } from "../../toolchain/commands";
import type { StateResource, Timings } from "./chain";
import { type Measurement, measure } from "./measure";
import { makeRow, type Row } from "./report";
import { createScratchProject } from "./scratch";

/** The stack that {@link measureStack} goes through. */
export interface Subject {
  /** Variables of the pinned CLI's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the Pulumi project. */
  readonly directory: string;
  /** A stack that has no resources yet; it has none at the end. */
  readonly stack: string;
  /** Times that an operation without work is run; what counts is the run in the middle. @default 3 */
  readonly repetitions?: number;
  /** Whether the CLI's progress goes to the screen. @default true */
  readonly show?: boolean;
}

const upCommand = ["up", "--yes", "--skip-preview"];

/**
 * Measures a stack from nothing to nothing, and an empty program's preview beside it. Gives the rows, and what
 * `up` spent on each resource.
 * @throws Error if an operation fails; the stack stays as it is then.
 */
export async function measureStack(subject: Subject): Promise<{ rows: Row[]; up: Timings }> {
  const { env, directory, stack } = subject;
  const inStack = (command: readonly string[]) =>
    measure({ ...subject, command: [...command, "--stack", stack] });

  const up = await inStack(upCommand);
  // The state of a destroyed stack is empty: the dependencies have to be read before.
  const exported = await run("pulumi", ["stack", "export", "--stack", stack], { env, cwd: directory });
  const resources: StateResource[] = JSON.parse(exported).deployment.resources;
  const { noop, preview, empty } = await measureWithoutWork(subject, inStack);
  const destroy = await inStack(["destroy", "--yes", "--skip-preview", "--ignore-protect"]);

  const rows = [
    makeRow("up from nothing", up, resources),
    makeRow("no-op up", noop, resources, empty.wallSeconds),
    makeRow("preview", preview, resources, empty.wallSeconds),
    makeRow("destroy", destroy, resources),
    makeRow("preview of an empty program", empty, []),
  ];
  return { rows, up: up.timings };
}

/** Runs what has no work to do by turns with an empty program's preview, so that all meet the same machine. */
async function measureWithoutWork(
  { env, show, repetitions = 3 }: Subject,
  inStack: (command: readonly string[]) => Promise<Measurement>,
) {
  const scratch = await createScratchProject(env, "");
  const { directory, stack } = scratch;
  const operations = {
    noop: () => inStack([...upCommand, "--expect-no-changes"]),
    preview: () => inStack(["preview", "--expect-no-changes"]),
    empty: () => measure({ env: scratch.env, directory, command: ["preview", "--stack", stack], show }),
  };
  const runs: Record<keyof typeof operations, Measurement[]> = { noop: [], preview: [], empty: [] };
  try {
    for (let round = 0; round < repetitions; round++)
      for (const name of Object.keys(operations) as (keyof typeof operations)[])
        runs[name].push(await operations[name]());
  } finally {
    scratch.remove();
  }
  return { noop: median(runs.noop), preview: median(runs.preview), empty: median(runs.empty) };
}

function median(measurements: readonly Measurement[]): Measurement {
  const sorted = [...measurements].sort((a, b) => a.wallSeconds - b.wallSeconds);
  return sorted[Math.floor(sorted.length / 2)] as Measurement;
}
