import { spawn } from "node:child_process";
import { run } from "./commands";
import { projectDirectory, stateFiles } from "./environment";
import { stacksIn } from "./states";

/**
 * Runs the pinned CLI in the project with this process's own terminal, and gives its exit code. Ctrl-C
 * reaches the CLI through the terminal; this process only waits for its orderly end.
 */
export function pulumi(env: Readonly<Record<string, string>>, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", args, {
      cwd: projectDirectory,
      env: { ...process.env, ...env },
      stdio: "inherit",
    });
    const ignore = () => {};
    process.on("SIGINT", ignore);
    const terminate = () => child.kill("SIGINT");
    process.on("SIGTERM", terminate);
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("SIGINT", ignore).off("SIGTERM", terminate);
      resolve(code ?? 130);
    });
  });
}

/** Gives what a command of the pinned CLI prints. */
export const pulumiOutput = (
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<string> => run("pulumi", args, { env, cwd: projectDirectory });

/** How many resources an `up` has changed in which way, in words, from what it printed. */
export const resourcesIn = (printed: string): string =>
  /Resources:\n((?: {4}.*\n?)+)/.exec(printed)?.[1]?.trim().replace(/\s+/g, " ") ?? "";

/** Makes a stack known to the checkout's own backend if it is not yet. */
export async function createStack(env: Readonly<Record<string, string>>, stack: string): Promise<void> {
  const { home, backend } = stateFiles();
  if (stacksIn(backend).includes(stack)) return;
  console.error(`making stack ${stack}; its state is kept in ${home} (docs/operations.md)`);
  await pulumiOutput(env, ["stack", "init", stack, "--non-interactive", "--no-select"]);
}
