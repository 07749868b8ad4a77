import { readFileSync } from "node:fs";
import { join } from "node:path";
import { shellQuote } from "../components/machine/script";
import { CommandError, run } from "../toolchain/commands";

/** Seconds that a look at one machine may take, emulated ones included; what hangs longer is a finding. */
const patience = 240;

const timed = (command: readonly string[], seconds: number): string =>
  ["timeout", `${seconds}`, ...command].map(shellQuote).join(" ");

const pythonOf = (program: string): string[] => [
  "python3",
  "-c",
  readFileSync(join(__dirname, "programs", program), "utf8"),
];

/** A machine that is looked at. */
export class Remote {
  /** @param way - Command that runs another one there; empty for this machine. */
  constructor(
    readonly name: string,
    private readonly way: readonly string[],
  ) {}

  /**
   * Runs a command as root there and gives what it prints.
   * @param input - For its standard input.
   * @throws Error with the end of what it says.
   */
  root(command: readonly string[], input = "", seconds = patience): Promise<string> {
    const quoted = timed(command, seconds);
    return this.shell(
      `if [ "$(id -u)" = 0 ]; then exec ${quoted}; else exec sudo -n ${quoted}; fi`,
      input,
      seconds,
    );
  }

  private async shell(command: string, input: string, seconds: number): Promise<string> {
    const [program = "", ...args] = [...(this.way.length > 0 ? this.way : ["sh", "-c"]), command];
    try {
      return await run(program, args, { input });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      // The first line is the command's own.
      const [, ...said] = error.message.split("\n");
      if (/ended with 124:/.test(error.message))
        throw new Error(`${this.name} has not answered within ${seconds} s`);
      throw new Error(said.join("\n").trim() || `${this.name} ended without a word`);
    }
  }

  /**
   * Runs a program of `checks/programs` there, in Python, and gives what it prints as JSON.
   * @param parameters - They go by standard input, for they may have secrets in them.
   */
  async look<T>(program: string, parameters: object = {}, seconds = patience): Promise<T> {
    return JSON.parse(await this.root(pythonOf(program), JSON.stringify(parameters), seconds));
  }

  /** {@link look} without being root, for a machine that is none of the stack's. */
  async lookAsUser<T>(program: string, parameters: object): Promise<T> {
    const command = `exec ${timed(pythonOf(program), patience)}`;
    return JSON.parse(await this.shell(command, JSON.stringify(parameters), patience));
  }
}
