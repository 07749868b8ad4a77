import { spawn } from "node:child_process";

/** How {@link run} treats the command's standard streams. */
export interface RunOptions {
  /** Text for its standard input. @default nothing */
  readonly input?: string;
  /** Called with each line that the command writes, on either stream, as it comes. @default none */
  readonly onLine?: (line: string) => void;
  /** Variables besides those of this process. @default none */
  readonly env?: Readonly<Record<string, string>>;
  /** Folder to run in. @default that of this process */
  readonly cwd?: string;
}

/** A command that could not be started or ended with another code than 0. */
export class CommandError extends Error {}

/**
 * Runs a command and gives what it wrote to its standard output, without the last line's end.
 * @throws CommandError with the command line and the end of what it wrote.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: "pipe",
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    });
    let stdout = "";
    let everything = "";
    let unfinished = "";
    const take = (chunk: string) => {
      everything += chunk;
      const lines = (unfinished + chunk).split("\n");
      unfinished = lines.pop() ?? "";
      for (const line of lines) options.onLine?.(line);
    };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
      take(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (error) =>
      reject(new CommandError(`cannot run ${command}: ${error.message}`, { cause: error })),
    );
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(stdout.trimEnd());
      const end = everything.trimEnd().split("\n").slice(-20).join("\n");
      reject(new CommandError(`${[command, ...args].join(" ")} ended with ${signal ?? code}:\n${end}`));
    });
    // A command that ends without reading its input is no error of ours; its exit code tells.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a command as root: directly when this process is root, else through sudo, which asks once. */
export function asRoot(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return process.getuid?.() === 0
    ? run(command, args, options)
    : run("sudo", ["-p", "[sudo] password for %p, to prepare the lab: ", "--", command, ...args], options);
}

/** Whether a command succeeds, for questions that have no other answer than its exit code. */
export async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/**
 * Waits until `state` holds, looking every 200 ms.
 * @throws Error naming `what` after `seconds`, followed by what `explain` gives.
 */
export async function waitUntil(
  what: string,
  seconds: number,
  state: () => Promise<boolean>,
  explain: () => Promise<string> = async () => "",
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await state())) {
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${seconds} seconds\n${await explain()}`.trimEnd());
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Prints how a command is used if that is what it was asked for. */
function helps(usage: string): boolean {
  const asked = process.argv.slice(2).some((word) => word === "--help" || word === "-h");
  if (asked) console.log(usage);
  return asked;
}

/**
 * Runs a command's main function: its result is the exit code, an error's message goes to the screen.
 * @param usage - What `--help` prints; undefined for a command that hands it on to another one.
 * @param failed - The exit code after an error, for commands whose 1 is an answer.
 */
export function runMain(main: () => Promise<number>, usage: string | undefined, failed = 1): void {
  if (usage !== undefined && helps(usage)) return;
  main().then(
    (code) => process.exit(code),
    (error: Error) => {
      console.error(`error: ${error.message}`);
      process.exit(failed);
    },
  );
}
