import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Answer, Probe, Request } from "./namespace-agent";

/** What a probe comes back with: the listener's answer, or why there was none. */
export type Outcome = Answer | { readonly none: string };

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const repository = join(__dirname, "../../..");

/** A network namespace of its own with a process in it that listens and probes on request. */
export class Namespace {
  readonly name: string;
  private agent?: ChildProcess;
  private readonly waiting = new Map<number, (result: never) => void>();
  private requests = 0;

  /**
   * @param announce - Is told its name before it is made.
   * @param existing - Name of one that is there already. @default one is made
   */
  constructor(
    readonly machine: string,
    announce: (name: string) => void = () => {},
    existing?: string,
  ) {
    this.name = existing ?? `wiab-${randomBytes(4).toString("hex")}`;
    if (existing !== undefined) return;
    announce(this.name);
    execFileSync("ip", ["netns", "add", this.name]);
    this.run("ip", "link", "set", "lo", "up");
  }

  /** Runs a program in the namespace and gives its output. */
  run(...command: string[]): string {
    return execFileSync("ip", ["netns", "exec", this.name, ...command], { encoding: "utf8" });
  }

  /** Sets one of the kernel's settings below net/, each of which every namespace has of its own. */
  set(key: `net/${string}`, value: number): void {
    this.run("bash", "-c", 'echo "$2" >"/proc/sys/$1"', "set", key, String(value));
  }

  /** Runs a program with a text on its standard input; never rejects for its exit code. */
  pipe(input: string, ...command: string[]): Promise<Ended> {
    return new Promise((done) => {
      const child = execFile("ip", ["netns", "exec", this.name, ...command], (error, stdout, stderr) =>
        done({ code: error ? Number(error.code ?? 255) : 0, stdout, stderr }),
      );
      child.stdin?.end(input);
    });
  }

  listen(tcp: readonly number[], udp: readonly number[]): Promise<unknown> {
    return this.ask({ do: "listen", tcp, udp });
  }

  /** Reaches out, patiently: what is expected to answer may take its time on a busy machine. */
  probe(protocol: Probe["protocol"], address: string, port: number, sourcePort?: number): Promise<Outcome> {
    return this.ask({ do: "probe", probe: { protocol, address, port, patience: 15_000, sourcePort } });
  }

  /** Reaches out where nothing should answer: what tells is that nothing arrives, see `arrivals`. */
  knock(protocol: Probe["protocol"], address: string, port: number, sourcePort?: number): Promise<Outcome> {
    return this.ask({ do: "probe", probe: { protocol, address, port, patience: 500, sourcePort } });
  }

  /** Asks a name server for a name's address, as a resolver does. @param sourcePort - @default any */
  resolve(address: string, name: string, patience: number, sourcePort?: number): Promise<Outcome> {
    const payload = question(name).toString("base64");
    return this.ask({
      do: "probe",
      probe: { protocol: "udp", address, port: 53, patience, sourcePort, payload },
    });
  }

  /** Opens a TCP connection and keeps it for `again`. */
  open(address: string, port: number): Promise<Outcome> {
    return this.ask({ do: "open", probe: { protocol: "tcp", address, port, patience: 15_000 } });
  }

  again(): Promise<Outcome> {
    return this.ask({ do: "again" });
  }

  /** What reached the listeners since it was asked last. */
  arrivals(): Promise<readonly Answer[]> {
    return this.ask({ do: "arrivals" });
  }

  remove(): void {
    this.agent?.kill("SIGKILL");
    execFileSync("ip", ["netns", "delete", this.name]);
  }

  private ask<Result>(request: Request): Promise<Result> {
    this.agent ??= this.start();
    const id = this.requests++;
    this.agent.stdin?.write(`${JSON.stringify({ id, request })}\n`);
    return new Promise((done) => this.waiting.set(id, done));
  }

  private start(): ChildProcess {
    const loader = join(repository, "node_modules/tsx/dist/loader.mjs");
    const agent = spawn(
      "ip",
      [
        ...["netns", "exec", this.name],
        ...[process.execPath, "--import", loader, join(__dirname, "namespace-agent.ts"), this.machine],
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    createInterface({ input: agent.stdout }).on("line", (line) => {
      const { id, result } = JSON.parse(line);
      this.waiting.get(id)?.(result as never);
      this.waiting.delete(id);
    });
    return agent;
  }
}

/** A question for the IPv4 addresses of a name (RFC 1035, 4.1). */
export function question(name: string): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

/** Lays a cable between two namespaces; each end gets the name given. */
export function cable(a: Pick<Namespace, "run">, nameInA: string, b: Namespace, nameInB: string): void {
  a.run("ip", "link", "add", nameInA, "type", "veth", "peer", "name", nameInB, "netns", b.name);
  a.run("ip", "link", "set", nameInA, "up");
  b.run("ip", "link", "set", nameInB, "up");
}
