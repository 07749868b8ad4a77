import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptArgs, type ScriptRun } from "../machine/script";
import type { Target } from "../machine/target";

/** A node's turn in {@link rollOut}. */
export interface Turn {
  /** The node, with the service's programs on it. */
  readonly target: Target;
  /** Name of the machine. */
  readonly node: string;
  readonly parameters: ScriptArgs["parameters"];
}

/** How a service comes to its nodes. */
export interface RollOut {
  /** The service's room, which has `node.sh` and `ready.sh`. */
  readonly room: string;
  /** In this order. */
  readonly turns: readonly Turn[];
  /** Where `ready.sh` looks at the whole once every node has had its turn, and with what. */
  readonly ready: Pick<Turn, "target" | "parameters">;
}

/**
 * Runs a service's `node.sh` on each node, one node after another: a change that needs restarts never takes two of them
 * away at the same time. The script comes back once its node serves again; while a cluster is being founded, once it is
 * started, for no node is healthy before enough of them are there. Then `ready.sh`, the run of which is given. The
 * resources are called `<name>-<node>` and `<name>-ready`.
 */
export function rollOut(
  name: string,
  { room, turns, ready }: RollOut,
  options: pulumi.CustomResourceOptions,
): ScriptRun {
  const script = loadServiceScript(room, "node.sh");
  const runs: ScriptRun[] = [];
  for (const { target, node, parameters } of turns)
    runs.push(
      runScript(
        `${name}-${node}`,
        { target, script, parameters },
        // The one before, and not all of them: an unchanged node in between would let two go at once otherwise.
        pulumi.mergeOptions(options, { dependsOn: runs.slice(-1) }),
      ),
    );
  return runScript(
    `${name}-ready`,
    {
      target: { ...ready.target, after: runs },
      script: loadServiceScript(room, "ready.sh"),
      parameters: ready.parameters,
    },
    options,
  );
}

/** Reads a script of a data service, with what all of them share. */
export const loadServiceScript = (directory: string, file: string) =>
  loadScript(directory, file, `${__dirname}/service.sh`);
