import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { LabOutputs } from "../../../lab/context";
import type { DataServiceName } from "../verify/data-services";
import type { RemoteMachine } from "../verify/machine";
import type { Subject } from "./fault";

/** Where the services are and how to log in to them, as the stack's output `dataServices` has it. */
export type Connections = LabOutputs["dataServices"];

interface LogIn {
  readonly username: string;
  readonly password: string;
}

/** The settings of the writer for a service. */
function settingsFor(service: DataServiceName, connections: Connections): object {
  const { addresses, port, authority } = connections[service];
  const reached = { addresses, port, authority };
  const logIn = ({ username: user, password }: LogIn) => ({ user, password });
  switch (service) {
    case "cassandra":
      return { ...reached, replicas: connections.cassandra.replicationFactor };
    case "postgresql":
      return {
        ...reached,
        ...logIn(connections.postgresql),
        database: connections.postgresql.database,
      };
    case "elasticsearch":
      return reached;
    case "minio":
      return { ...reached, ...connections.minio.cargohold, bucket: connections.minio.buckets.assets };
    case "rabbitmq":
      return {
        ...reached,
        ...logIn(connections.rabbitmq),
        vHost: connections.rabbitmq.virtualHost,
      };
  }
}

/** What a writer has to say at its end (stand-in/program/writer/writer.go). */
export interface WriterReport {
  readonly service: Subject;
  readonly acknowledged: number;
  readonly longestPause: { readonly at: string; readonly milliseconds: number };
  readonly missingCount: number;
  /** Of reading back; empty if everything could be read. */
  readonly error: string;
  readonly errors: readonly string[];
}

/** Whether the last that a writer has said of a record is that it was acknowledged. */
export const isAcknowledged = (said: readonly string[]): boolean =>
  / acknowledged$/.test(said.filter((line) => /record \d+(:| acknowledged)/.test(line)).at(-1) ?? "");

/** Where the program lies on the machine that runs it. */
const program = "/run/user/conformance";

/** Brings the writer's program to a machine, from the asset host: anew, for there may be a newer one by now. */
export async function installWriter(machine: RemoteMachine, assets: string): Promise<void> {
  await machine.run(`sudo sh -c '
    mkdir -p /run/user
    /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file ${assets}/binaries/conformance ${program}.new &&
    chmod 0755 ${program}.new &&
    mv ${program}.new ${program}'`);
}

/** How a writer is started on a machine; its settings, if it wants any, are the first line of its input. */
function commandFor(subject: Subject): string {
  if (subject === "kubernetes") {
    const script = readFileSync(join(__dirname, "api-writer.sh")).toString("base64");
    return `exec sudo bash -c "$(echo ${script} | base64 -d)"`;
  }
  // The second line, or the end of the input, ends it, and so does its own end. printf is a part of the shell.
  return (
    `IFS= read -r settings; printf '%s' "$settings" | ${program} write --service ${subject} & writer=$!; ` +
    "(IFS= read -r _; kill -TERM $writer) <&0 & wait $writer"
  );
}

/** Writes numbered records from a Kubernetes node, as Wire's services do, until it is told to stop. */
export class Writer {
  private constructor(
    readonly service: Subject,
    private readonly child: ChildProcess,
    private readonly report: Promise<WriterReport>,
    private readonly said: readonly string[],
  ) {}

  /** Whether what it writes is acknowledged now, as far as it has said. */
  get writes(): boolean {
    return isAcknowledged(this.said);
  }

  /** Comes back once the first record is acknowledged. */
  static async start(
    machine: Pick<RemoteMachine, "start">,
    service: Subject,
    connections: Connections,
  ): Promise<Writer> {
    const child = machine.start(commandFor(service));
    let text = "";
    child.stdout?.on("data", (chunk) => (text += chunk));
    const lines: string[] = [];
    let started: () => void = () => {};
    const first = new Promise<void>((resolve) => (started = resolve));
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      lines.push(line);
      if (/record 1 acknowledged/.test(line)) started();
    });
    const report = new Promise<WriterReport>((resolve, reject) =>
      child.once("close", (code) => {
        try {
          resolve(JSON.parse(text));
        } catch {
          reject(new Error(`the writer for ${service} ended with ${code}:\n${lines.slice(-5).join("\n")}`));
        }
      }),
    );
    if (service !== "kubernetes")
      child.stdin?.write(`${JSON.stringify(settingsFor(service, connections))}\n`);
    await Promise.race([first, report]);
    return new Writer(service, child, report, lines);
  }

  /** Has it read back what was acknowledged. */
  stop(): Promise<WriterReport> {
    this.child.stdin?.end("\n");
    return this.report;
  }
}
