import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readStackFile } from "../components/validation/stack-file";
import { runMain } from "../toolchain/commands";
import { hasOwnBackend, projectDirectory, pulumiEnvironment } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import { createStack, pulumi, stackOf } from "../toolchain/pulumi";
import { asOwner, changes } from "./deployment";
import { refuseDestroy } from "./kept-disks";
import { checkStackState } from "./stack-state";

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

/**
 * Refuses flags before the command. The CLI would take them, but what keeps disks and holds the host goes by the command,
 * and is not to be passed by because of an order.
 * @throws Error that says what to write.
 */
export function checkOrder(args: readonly string[]): void {
  if (args[0]?.startsWith("-") && args.some((arg) => !arg.startsWith("-")))
    throw new Error("the command comes first: npm run pulumi -- up --stack staging");
}

/** `npm run pulumi`: the pinned CLI with the project's own backend. */
async function main(): Promise<number> {
  const args = process.argv.slice(2);
  checkOrder(args);
  const toolchain = await installToolchain();
  const stack = stackOf(args);
  if (stack) checkSyntax(stack);
  const env = pulumiEnvironment(toolchain, stack);
  // Those two are ways back themselves.
  if (stack && !/^stack (import|rm)$/.test(args.slice(0, 2).join(" "))) checkStackState(stack, env);
  if (
    stack &&
    args[0] !== "stack" &&
    !hasOwnBackend(stack) &&
    existsSync(join(projectDirectory, `Pulumi.${stack}.yaml`))
  )
    await createStack(env, stack);
  await refuseDestroy(env, args);
  const work = () => pulumi(env, args);
  return stack && changes(args) ? asOwner(env, stack, work) : work();
}

if (require.main === module) runMain(main);
