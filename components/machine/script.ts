import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Target } from "./target";

/** Arguments of {@link runScript}. */
export interface ScriptArgs {
  readonly target: Target;
  /** The script as {@link loadScript} gives it. */
  readonly script: Script;
  /**
   * Shell variables that the script reads. A secret stays one: the standard input that carries it is
   * a secret then as well.
   */
  readonly parameters: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>;
  /** Whether the script has a `remove` function for when the resource is deleted. @default false */
  readonly removes?: boolean;
  /** Whether the script has an `update` function for later runs; otherwise `apply` runs again. @default false */
  readonly updates?: boolean;
}

/** The text of a shell script, ready to be run. */
export interface Script {
  readonly text: string;
}

/** What {@link runScript} makes; both kinds have the outputs `stdout` and `stderr`. */
export type ScriptRun = command.local.Command | command.remote.Command;

const prelude = readFileSync(join(__dirname, "prelude.sh"), "utf8");

/**
 * Reads the script that stands beside a component: `loadScript(__dirname, "apply.sh")`.
 * @param shared - Paths of files with functions that it uses.
 */
export function loadScript(directory: string, file: string, ...shared: readonly string[]): Script {
  const files = [...shared, join(directory, file)];
  return { text: [prelude, ...files.map((path) => readFileSync(path, "utf8"))].join("\n") };
}

/** Quotes a value so that a POSIX shell reads it back byte for byte. */
export function shellQuote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/**
 * The standard input of a run. Bash reads all of it before it does anything (the braces see to that),
 * so no command of the script can swallow the rest of it.
 */
export function renderInput(script: Script, parameters: Readonly<Record<string, string>>): string {
  const assignments = Object.entries(parameters)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `${name}=${shellQuote(value)}`);
  return ["{", ...assignments, script.text, '"$1" </dev/null', "exit", "}", ""].join("\n");
}

const invocation = (verb: "apply" | "update" | "remove") =>
  `if [ "$(id -u)" = 0 ]; then exec bash -s -- ${verb}; else exec sudo -n bash -s -- ${verb}; fi`;

/**
 * Runs a convergent script as root on a machine. It runs again when the script or a parameter changes,
 * in place: nothing that depends on it is replaced. Script and parameters go by standard input, so
 * that neither a command line nor an environment shows them.
 */
export function runScript(
  name: string,
  args: ScriptArgs,
  options: pulumi.CustomResourceOptions = {},
): ScriptRun {
  const { target } = args;
  const parameters = pulumi.output(args.parameters).apply((own) => ({
    ...own,
    ...(target.identity === undefined ? {} : { MACHINE: target.identity }),
  }));
  const inputs = {
    create: invocation("apply"),
    update: args.updates ? invocation("update") : undefined,
    delete: args.removes ? invocation("remove") : undefined,
    stdin: pulumi.output(parameters).apply((values) => renderInput(args.script, values)),
  };
  const ordered = pulumi.mergeOptions(options, {
    dependsOn: [...(target.after ?? [])],
    ...(target.deletedWith && { deletedWith: target.deletedWith }),
    // Replaced the other way round, the old resource's `remove` would undo what the new one has applied.
    deleteBeforeReplace: args.removes,
  });
  return target.kind === "local"
    ? new command.local.Command(name, inputs, ordered)
    : new command.remote.Command(name, { ...inputs, connection: target.connection }, ordered);
}
