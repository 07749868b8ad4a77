import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { gunzipSync, gzipSync } from "fflate";
import type { Target } from "./target";

/** Arguments of {@link runScript}. */
export interface ScriptArgs {
  readonly target: Target;
  /** The script as {@link loadScript} gives it. */
  readonly script: Script;
  /**
   * Shell variables that the script reads, in capitals. A preview shows what changes in each of them, but for those that
   * are secret. The text of a program ({@link isProgram}) counts as a part of the script. Each is an input of its own,
   * for whether it is secret is asked of each.
   */
  readonly parameters: Parameters;
  /** Whether the script has a `remove` function for when the resource is deleted. @default false */
  readonly removes?: boolean;
  /** Whether the script has an `update` function for later runs; otherwise `apply` runs again. @default false */
  readonly updates?: boolean;
}

type Parameters = Readonly<Record<string, pulumi.Input<string>>>;

/** The text of a shell script, ready to be run. */
export interface Script {
  /** What a preview calls it: its file, below `components`. */
  readonly name: string;
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
  const main = join(directory, file);
  return {
    name: relative(join(__dirname, ".."), main),
    text: [prelude, ...[...shared, main].map((path) => readFileSync(path, "utf8"))].join("\n"),
  };
}

/** Whether a parameter is the text of a program that the script puts on the machine: one for Bash or Python. */
export const isProgram = (value: unknown): value is string =>
  typeof value === "string" && /^(#!|""")/.test(value);

/** Quotes a value so that a POSIX shell reads it back byte for byte. */
export function shellQuote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** Leaves out lines that are a comment and nothing else: another comment is no reason to run again. */
export const withoutComments = (text: string): string => text.replace(/^[ \t]*#.*\n/gm, "");

/**
 * What Bash is to read from its standard input. It reads all of it before it does anything (the braces see to that),
 * so no command of the script can swallow the rest of it.
 */
export function renderInput(script: Script, parameters: Readonly<Record<string, string>>): string {
  const entries = Object.entries(parameters).sort(([a], [b]) => a.localeCompare(b));
  const assignments = entries.map(([name, value]) => `${name}=${shellQuote(value)}`);
  return [
    "{",
    ...assignments,
    // A local script finds what {@link describe} shows in its environment; what it starts shall not.
    ...(entries.length > 0 ? [`export -n ${entries.map(([name]) => name).join(" ")}`] : []),
    withoutComments(script.text),
    '"$1" </dev/null',
    'remember "$@"',
    "exit",
    "}",
    "",
  ].join("\n");
}

/** {@link renderInput} as it travels: the same bytes wherever the program runs, which Node's own zlib does not promise. */
export const packInput = (script: Script, parameters: Readonly<Record<string, string>>): string =>
  Buffer.from(gzipSync(Buffer.from(renderInput(script, parameters)), { mtime: 0, level: 9 })).toString(
    "base64",
  );

/** What {@link packInput} has packed. @throws Error for a text that is not of its making. */
export const inflateInput = (packed: string): string =>
  Buffer.from(gunzipSync(Buffer.from(packed, "base64"))).toString();

/** Parameters and script of what {@link packInput} gave. @throws as {@link inflateInput} does. */
export function unpackInput(packed: string): {
  readonly parameters: Readonly<Record<string, string>>;
  readonly script: string;
} {
  const text = inflateInput(packed);
  const [, assignments = "", script = text] =
    /^\{\n([\s\S]*?)\nexport -n [A-Z0-9_ ]*\n([\s\S]*)$/.exec(text) ?? [];
  const parameters = [...assignments.matchAll(/^([A-Z][A-Z0-9_]*)='((?:[^']|'\\'')*)'$/gm)].map(
    ([, name = "", value = ""]) => [name, value.replaceAll("'\\''", "'")],
  );
  return { parameters: Object.fromEntries(parameters), script };
}

/** @param record - Where the run is remembered, below /var/lib/wiab/made on the machine. */
const invocation = (verb: "apply" | "update" | "remove", record: string) =>
  `base64 -d | gzip -d | if [ "$(id -u)" = 0 ]; then exec bash -s -- ${verb} ${record}; else exec sudo -n bash -s -- ${verb} ${record}; fi`;

/** Name of the record of a script's last run, among those of all stacks that a host may have. */
export const recordOf = (stack: string, name: string): string => `${stack}/${name}`;

/** Bytes of a parameter that a preview shows; SSH and the kernel limit what an environment may have. */
const shownBytes = 16_384;

const abridge = (value: string): string =>
  Buffer.byteLength(value) <= shownBytes
    ? value
    : `${value.split("\n").length} lines, SHA-256 ${sha256(value)}`;

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * What of a run may be read in the state and in previews: which script in which version, and every parameter that is no
 * secret.
 */
async function describe(script: Script, parameters: Parameters): Promise<Parameters> {
  const programs = Object.entries(parameters).filter(([, value]) => isProgram(value));
  const code = sha256(JSON.stringify([withoutComments(script.text), ...programs.sort()]));
  const shown = await Promise.all(
    Object.entries(parameters).map(async ([name, value]) => {
      const output = pulumi.output(value);
      return isProgram(value) || (await pulumi.isSecret(output)) ? [] : [[name, output.apply(abridge)]];
    }),
  );
  return { script: `${script.name} ${code.slice(0, 12)}`, ...Object.fromEntries(shown.flat()) };
}

/**
 * Runs a convergent script as root on a machine. It runs again when the script or a parameter changes, in place: nothing
 * that depends on it is replaced. Script and parameters go by standard input, compressed, so that neither a command line
 * nor a log shows them. The `environment` is there to be read in the state and in previews ({@link describe}): an SSH
 * server takes no variables from it that it has not been told of, and no script counts on them.
 */
export function runScript(
  name: string,
  args: ScriptArgs,
  options: pulumi.CustomResourceOptions = {},
): ScriptRun {
  const { target, script } = args;
  const parameters: Parameters = {
    ...args.parameters,
    ...(target.identity === undefined ? {} : { MACHINE: target.identity }),
  };
  if (pulumi.Output.isInstance(args.parameters))
    throw new Error(`${name}: parameters are outputs one by one`);
  const record = recordOf(pulumi.getStack(), name);
  const inputs = {
    create: invocation("apply", record),
    update: args.updates ? invocation("update", record) : undefined,
    delete: args.removes ? invocation("remove", record) : undefined,
    environment: describe(script, parameters),
    stdin: pulumi.secret(pulumi.output(parameters).apply((values) => packInput(script, values))),
  };
  const ordered = pulumi.mergeOptions(options, {
    dependsOn: [...(target.after ?? [])],
    ...(target.deletedWith && { deletedWith: target.deletedWith }),
    // Replaced the other way round, the old resource's `remove` would undo what the new one has applied.
    deleteBeforeReplace: args.removes,
  });
  return target.kind === "local"
    ? new command.local.Command(name, inputs, ordered)
    : new command.remote.Command(
        name,
        // Servers take no variables of ours, and nothing reads them.
        { ...inputs, connection: target.connection, addPreviousOutputInEnv: false },
        ordered,
      );
}
