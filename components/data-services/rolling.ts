import * as pulumi from "@pulumi/pulumi";
import type { CommandRun } from "../machine/command";
import { type ProgramArgs, runProgram } from "../machine/program";
import { loadScript, runScript, type ScriptArgs } from "../machine/script";
import type { Target } from "../machine/target";

/** What is done on a node: a script's parameters, or what `wiab` is to make of it. */
interface Work {
  /** The node, with the service's programs on it. */
  readonly target: Target;
}

/** How a service comes to its nodes. */
export interface RollOut<W extends Work> {
  /** In this order; `node` is the name of the machine. */
  readonly turns: readonly (W & { readonly node: string })[];
  /** What is done with the whole once every node has had its turn, and where. */
  readonly ready: W;
}

type Scripted = Work & Pick<ScriptArgs, "parameters">;
type Programmed = Work & Pick<ProgramArgs, "specification">;

/**
 * Does what a service wants on each node, one node after another: a change that needs restarts never takes two of them
 * away at the same time. A turn ends once its node serves again; while a cluster is being founded, once it is started, for
 * no node is healthy before enough of them are there. Then what concerns the whole, the run of which is given. The
 * resources are called `<name>-<node>` and `<name>-ready`.
 */
function inTurns<W extends Work>(
  name: string,
  { turns, ready }: RollOut<W>,
  run: (name: string, step: "node" | "ready", work: W, options: pulumi.CustomResourceOptions) => CommandRun,
  options: pulumi.CustomResourceOptions,
): CommandRun {
  const runs: CommandRun[] = [];
  for (const turn of turns)
    runs.push(
      // The one before, and not all of them: an unchanged node in between would let two go at once otherwise.
      run(`${name}-${turn.node}`, "node", turn, pulumi.mergeOptions(options, { dependsOn: runs.slice(-1) })),
    );
  return run(`${name}-ready`, "ready", { ...ready, target: { ...ready.target, after: runs } }, options);
}

/** Rolls out a service by the scripts `node.sh` and `ready.sh` of its room. */
export function rollOut(
  name: string,
  { room, ...work }: RollOut<Scripted> & { readonly room: string },
  options: pulumi.CustomResourceOptions,
): CommandRun {
  const scripts = {
    node: loadServiceScript(room, "node.sh"),
    ready: loadServiceScript(room, "ready.sh"),
  };
  return inTurns(
    name,
    work,
    (run, step, { target, parameters }, its) =>
      runScript(run, { target, script: scripts[step], parameters }, its),
    options,
  );
}

/** Rolls out a service by the guests' program, which lies at a path on each node: `apply`, and `settle` for the whole. */
export function rollOutByProgram(
  name: string,
  { program, service, ...work }: RollOut<Programmed> & Pick<ProgramArgs, "program" | "service">,
  options: pulumi.CustomResourceOptions,
): CommandRun {
  const verbs = { node: "apply", ready: "settle" } as const;
  return inTurns(
    name,
    work,
    (run, step, { target, specification }, its) =>
      runProgram(run, { target, program, verb: verbs[step], service, specification }, its),
    options,
  );
}

/** Reads a script of a data service, with what all of them share. */
export const loadServiceScript = (directory: string, file: string) =>
  loadScript(directory, file, `${__dirname}/service.sh`);
