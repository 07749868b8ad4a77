import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readStackFile } from "../components/validation/stack-file";
import { runMain } from "../toolchain/commands";
import { hasOwnBackend, projectDirectory, pulumiEnvironment } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import { createStack, pulumi, pulumiOutput } from "../toolchain/pulumi";
import {
  type CommandLine,
  changes,
  checkCommand,
  commandOf,
  isRemoval,
  parseCommand,
  stackIn,
  stackOf,
} from "./command-line";
import { changing } from "./deployment";
import { warnOfHost } from "./host-look";
import { refuseDestroy } from "./kept-disks";
import { checkStackState } from "./stack-state";
import { keepElsewhere } from "./state-elsewhere";

/**
 * Refuses a stack's file that is no YAML, with the line in it: the engine's own message counts lines otherwise.
 * @throws Error with all of them.
 */
export function checkSyntax(stack: string, directory = projectDirectory): void {
  const name = `Pulumi.${stack}.yaml`;
  const file = join(directory, name);
  if (!existsSync(file)) return;
  const { syntax } = readStackFile(name, readFileSync(file, "utf8"), "wiab-staging");
  if (syntax.length > 0)
    throw new Error(syntax.map(({ message, line }) => `${name}:${line} ${message}`).join("\n"));
}

/** The stack that a command line works on: the one that it names, or the one that is selected. */
async function workingStack(
  env: Readonly<Record<string, string>>,
  line: CommandLine,
  named: string | undefined,
): Promise<string | undefined> {
  if (named || !(changes(line) || /^pre(view)?$/.test(commandOf(line)))) return named;
  const selected = await pulumiOutput(env, ["stack", "--show-name", "--non-interactive"]).catch(() => "");
  if (selected === "" && changes(line)) throw new Error("which stack? Add --stack staging");
  return stackIn(selected.trim());
}

/** `npm run pulumi`: the pinned CLI with the project's own backend. */
async function main(): Promise<number> {
  const args = process.argv.slice(2);
  checkCommand(args);
  const line = parseCommand(args);
  const command = commandOf(line);
  const toolchain = await installToolchain();
  const named = stackOf(args) ?? (isRemoval(line) ? stackIn(line.words[2]) : undefined);
  const env = pulumiEnvironment(toolchain, named);
  const stack = await workingStack(env, line, named);
  if (stack) checkSyntax(stack);
  // Those two are ways back themselves.
  if (stack && command !== "stack import" && !isRemoval(line)) checkStackState(stack, env);
  if (
    named &&
    line.words[0] !== "stack" &&
    !hasOwnBackend(named) &&
    existsSync(join(projectDirectory, `Pulumi.${named}.yaml`))
  )
    await createStack(env, named);
  const work = () => pulumi(env, args);
  if (!stack || !changes(line)) return work();
  await refuseDestroy(env, stack, line);
  if (/^up(date)?$/.test(command)) await warnOfHost(env, stack);
  const code = await changing(env, stack, line, work);
  if (/^up(date)?$/.test(command) && code === 0) {
    const trouble = await keepElsewhere(env, stack);
    if (trouble !== undefined)
      console.error(`warning: the asset host has no copy of the state of this run: ${trouble}`);
  }
  return code;
}

if (require.main === module) runMain(main, undefined);
