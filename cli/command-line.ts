/** A command line of the CLI's, as far as the wrapper has to understand it. */
export interface CommandLine {
  /** The command, without its flags and their values: `["stack", "rename", "other"]`. */
  readonly words: readonly string[];
  /** Values of the flags that have one, by their long names; the last one counts, as for the CLI. */
  readonly values: Readonly<Record<string, string>>;
  /** The other flags, as they are written. */
  readonly switches: readonly string[];
}

/** Flags that take the next word for their value, by the short names that they have. */
const withValue: Readonly<Record<string, string>> = {
  ...{
    C: "cwd",
    c: "config",
    m: "message",
    p: "parallel",
    s: "stack",
    t: "target",
    v: "verbose",
    x: "exclude",
  },
};
const alsoWithValue = [
  ...["client", "color", "config-file", "dest", "event-log", "file", "from", "generate-resources"],
  ...["import-pending-creates", "memprofilerate", "otel-traces", "out", "output", "parent", "path", "plan"],
  ...[
    "policy-pack",
    "policy-pack-config",
    "profiling",
    "properties",
    "provider",
    "replace",
    "secrets-provider",
  ],
  ...["source", "target-replace", "tracing", "version"],
];
const longWithValue = new Set([...Object.values(withValue), ...alsoWithValue]);

/** Takes a command line apart as the CLI does: `--stack x`, `--stack=x`, `-s x`, `-s=x`, `-sx` and `-ys x` are the same. */
export function parseCommand(args: readonly string[]): CommandLine {
  const words: string[] = [];
  const values: Record<string, string> = {};
  const switches: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, long, given] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (arg === "--") words.push(...rest.splice(0));
    else if (long !== undefined && longWithValue.has(long)) values[long] = given ?? rest.shift() ?? "";
    else if (long !== undefined || !/^-./.test(arg)) (long === undefined ? words : switches).push(arg);
    else {
      const letters = arg.slice(1);
      const index = [...letters].findIndex((letter) => letter in withValue);
      switches.push(...[...letters.slice(0, index < 0 ? undefined : index)].map((letter) => `-${letter}`));
      const name = withValue[letters[index] ?? ""];
      if (name) values[name] = letters.slice(index + 1).replace(/^=/, "") || (rest.shift() ?? "");
    }
  }
  return { words, values, switches };
}

/** The stack that a command line names, without organization and project. */
export const stackOf = (args: readonly string[]): string | undefined =>
  stackIn(parseCommand(args).values.stack);

/** The last part of a stack's name, which may have organization and project before it. */
export const stackIn = (name: string | undefined): string | undefined => name?.split("/").at(-1) || undefined;

/** Commands that change neither a state nor what is deployed. All others are taken for such that do. */
const reading = new RegExp(
  `^(${[
    "",
    ...["about", "api", "cancel", "config", "console", "convert", "convert-trace", "env", "events"],
    ...["gen-completion", "gen-markdown", "generate-cli-spec", "help", "install", "login", "logout", "logs"],
    ...["new", "org", "package", "plugin", "policy", "pre", "preview", "project", "replay-events", "schema"],
    ...["template", "version", "view-trace", "whoami"],
    "stack( (create|drift|export|get|graph|hist|history|init|list|ls|new|output|select|setup|tag|unselect))?",
    "state get",
  ].join("|")})$`,
);

/** Commands whose second word belongs to them. */
const grouped = ["stack", "state"];

/** The command itself: one word, or two where the first stands for a group. */
export const commandOf = ({ words: [first = "", second] }: CommandLine): string =>
  grouped.includes(first) && second !== undefined ? `${first} ${second}` : first;

/** Whether a command line changes a state, or what is deployed. */
export const changes = (line: CommandLine): boolean =>
  !reading.test(commandOf(line)) &&
  !line.switches.some((flag) => ["--help", "-h", "--preview-only", "--preview-only=true"].includes(flag));

/** Whether a command line deletes what is deployed. */
export const destroys = (line: CommandLine): boolean =>
  changes(line) && ["destroy", "down", "dn"].includes(commandOf(line));

/** Whether a command line deletes a state, without what is deployed. */
export const isRemoval = (line: CommandLine): boolean => /^stack (remove|rm|delete)$/.test(commandOf(line));

/**
 * Refuses what would lead past the checks here, which look at the command, the project's folder and the stack's file.
 * @throws Error that says what to write.
 */
export function checkCommand(args: readonly string[]): void {
  const line = parseCommand(args);
  const beginning = grouped.includes(args[0] ?? "") ? 2 : 1;
  if (line.words.slice(0, beginning).some((word, index) => args[index] !== word))
    throw new Error("the command comes first: npm run pulumi -- up --stack staging");
  if (line.values.cwd !== undefined)
    throw new Error("npm run pulumi works in the project's folder: leave --cwd (-C) away");
  if (changes(line) && line.values.config !== undefined)
    throw new Error(
      "--config (-c) would change the stack's file after it has been checked: set the value first (npm run pulumi -- config set)",
    );
}
