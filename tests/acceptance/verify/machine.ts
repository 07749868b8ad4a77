import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { sshOptions } from "../../../checks/agent";
import type { LabOutputs } from "../../../lab/context";
import { run } from "../../../toolchain/commands";

/** A machine of the lab as seen from outside, over SSH with the stack's key. */
export class RemoteMachine {
  constructor(
    readonly name: string,
    readonly address: string,
    private readonly user: string,
    private readonly agent: Readonly<Record<string, string>>,
  ) {}

  /** Runs a shell script, given by standard input, and gives its output. */
  run(script: string): Promise<string> {
    return run("ssh", [...sshOptions, `${this.user}@${this.address}`, "bash", "-s"], {
      env: this.agent,
      input: script,
    });
  }

  /** Runs kubectl as administrator on a Kubernetes node, by way of its balancer; `input` has no line that is `END`. */
  kubectl(command: string, input = ""): Promise<string> {
    return this.run(
      `sudo kubectl --kubeconfig /etc/kubernetes/admin.conf ${command}${input && ` <<'END'\n${input}\nEND\n`}`,
    );
  }

  /** Starts a shell command whose input is left to the caller. */
  start(command: string): ChildProcess {
    return spawn("ssh", [...sshOptions, `${this.user}@${this.address}`, command], {
      env: { ...process.env, ...this.agent },
    });
  }

  /** Runs a shell command whose input is a file of this machine. */
  async feed(file: string, command: string): Promise<void> {
    const ssh = this.start(command);
    let said = "";
    ssh.stdout?.resume();
    ssh.stderr?.on("data", (text) => {
      said += text;
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      ssh.once("error", reject);
      ssh.once("close", resolve);
    });
    // A command that ends before its input does breaks the pipe; its exit code tells.
    await pipeline(createReadStream(file), ssh.stdin as NodeJS.WritableStream).catch(() => {});
    const code = await ended;
    if (code !== 0) throw new Error(`${command} on ${this.name} ended with ${code}: ${said.trim()}`);
  }

  /** Runs a program of tests/acceptance/verify/guest, in Python or Bash, and gives its output. */
  async runFile(file: string, ...args: readonly string[]): Promise<string> {
    const interpreter = file.endsWith(".py") ? ["python3", "-"] : ["bash", "-s", "--"];
    const output = await run(
      "ssh",
      [...sshOptions, `${this.user}@${this.address}`, ...interpreter, ...args],
      { env: this.agent, input: readFileSync(join(__dirname, "guest", file), "utf8") },
    );
    return output.trim();
  }

  /** What SSH says to somebody without the key. */
  async refusal(): Promise<string> {
    const noKey = ["-o", "IdentityAgent=none", "-o", "IdentityFile=/dev/null", "-o", "BatchMode=yes"];
    return run("ssh", [...sshOptions, ...noKey, `${this.user}@${this.address}`, "true"]).then(
      () => "let in",
      (error: Error) => error.message,
    );
  }

  /**
   * Starts a listener on ports such as `tcp:31772` and gives the function that ends it.
   * @throws Error if it does not listen within a minute, for example because a port is taken.
   */
  async listen(ports: readonly string[]): Promise<() => void> {
    const program = readFileSync(join(__dirname, "listener.py"), "utf8");
    const remote = `exec sudo python3 -c "$(echo ${Buffer.from(program).toString("base64")} | base64 -d)" ${this.name} ${ports.join(" ")}`;
    const ssh = this.start(remote);
    let complaint = "";
    ssh.stderr?.on("data", (text) => {
      complaint += text;
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.name} does not listen within a minute`)),
        60_000,
      );
      createInterface({ input: ssh.stdout as NodeJS.ReadableStream }).once("line", () =>
        resolve(clearTimeout(timer)),
      );
      ssh.once("close", () => {
        clearTimeout(timer);
        reject(new Error(`${this.name} cannot listen on ${ports.join(", ")}: ${complaint.trim()}`));
      });
    });
    return () => ssh.stdin?.end();
  }
}

/** Gives the machines of a lab by their names. `agent` has the variables of an SSH agent with the key. */
export const reachBy =
  ({ machines, sshUser }: LabOutputs, agent: Readonly<Record<string, string>>) =>
  (name: string): RemoteMachine => {
    const machine = machines.find((candidate) => candidate.name === name);
    if (!machine) throw new Error(`there is no machine ${name}`);
    return new RemoteMachine(name, machine.address, sshUser, agent);
  };
