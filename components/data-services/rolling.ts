import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type Script, type ScriptRun } from "../remote/script";
import type { Target } from "../remote/target";

/** A node's turn in {@link rollThrough}. */
export interface Turn {
  /** The node, with the service's programs on it. */
  readonly target: Target;
  /** Name of the machine. */
  readonly node: string;
  readonly parameters: Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * Runs a script on each node, one node after another: a change that needs restarts never takes two of them away at the
 * same time. The script comes back once its node serves again; while a cluster is being founded, once it is started,
 * for no node is healthy before enough of them are there. The resources are called `<name>-<node>`.
 */
export function rollThrough(
  name: string,
  script: Script,
  turns: readonly Turn[],
  options: pulumi.CustomResourceOptions,
): readonly ScriptRun[] {
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
  return runs;
}

/** Reads a script of a data service, with what all of them share. */
export const loadServiceScript = (directory: string, file: string): Script =>
  loadScript(directory, file, `${__dirname}/service.sh`);
