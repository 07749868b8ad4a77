import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGo } from "../../bundle/sources/program";
import { Workshop } from "../../bundle/workshop";
import { WasimoffClient } from "../../cli/wasimoff/client";
import type { Job } from "../../cli/wasimoff/jobs";
import { cached, contentKey } from "../../toolchain/cache";
import { run } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";
import { findGo, goEnvironment } from "../../toolchain/go";
import { waitFor } from "../wait";

/** Seconds that anything may take on a machine that is busy with other things. */
export const patience = 120;

/** The name under which the module of stand-in/wasi-probe is uploaded. */
export const probe = "probe.wasm";

/** A job of that module. */
export const probeJob = (args: readonly string[], more: Partial<Job> = {}): Job => ({
  module: probe,
  args: ["probe", ...args],
  envs: [],
  stdin: new Uint8Array(),
  artifacts: [],
  ...more,
});

/** What a broker and its providers on one machine are made of. */
export interface Programs {
  readonly broker: string;
  readonly provider: string;
  /** A WASI command. */
  readonly probe: string;
}

/** Builds stand-in, provider and a module to run. */
export async function buildPrograms(): Promise<Programs> {
  const workshop = new Workshop(projectDirectory, false);
  const source = (module: string) => ({ module, package: ".", variables: {}, tags: [], cgo: false });
  const folder = join(projectDirectory, "stand-in/wasi-probe");
  const wasm = async () => {
    const made = await cached("wasi", contentKey(["wasip1"], folder), async (directory) => {
      const env = { ...goEnvironment, GOOS: "wasip1", GOARCH: "wasm" };
      const output = join(directory, probe);
      await run(await findGo(), ["build", "-ldflags=-s -w", "-o", output, "."], { env, cwd: folder });
    });
    return join(made, probe);
  };
  return {
    broker: await buildGo(source("stand-in/wasimoff"), workshop),
    provider: await buildGo(source("wasimoff"), workshop),
    probe: await wasm(),
  };
}

/** A port of the loopback that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

/** A process with its output in a file. */
interface Running {
  readonly child: ChildProcess;
  readonly log: string;
}

/** A provider that runs, and where it says how it is. */
export interface RunningProvider extends Running {
  readonly port: number;
}

/**
 * Broker and providers as the deployment guide's localhost mode has them: on one machine, on its loopback. Providers are
 * real Chromiums.
 */
export class Ground {
  readonly folder = mkdtempSync(join(tmpdir(), "wiab-wasimoff-"));
  private readonly running = new Set<ChildProcess>();
  private logs = 0;
  port = 0;

  constructor(readonly programs: Programs) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the broker, at the port that it had before. @param more - Variables besides what it always gets. */
  async startBroker(more: Readonly<Record<string, string>> = {}): Promise<Running> {
    this.port ||= await freePort();
    const started = this.start(this.programs.broker, [], {
      WASIMOFF_HTTP_LISTEN: `127.0.0.1:${this.port}`,
      WASIMOFF_FILESTORAGE: `dirfs://${this.folder}/storage`,
      WASIMOFF_METRICS: "true",
      ...more,
    });
    const scheme = more.WASIMOFF_HTTP_CERT ? "tcp" : "http";
    if (scheme === "http")
      await waitFor("the broker", patience, async () => {
        if (!(await fetch(`${this.url}/healthz`)).ok) throw new Error("it is not well");
      });
    return started;
  }

  /** Starts a provider, and waits until its page is connected unless `awaited` is false. */
  async startProvider(
    workers: number,
    broker = this.url,
    awaited = true,
    more = {},
  ): Promise<RunningProvider> {
    const port = await freePort();
    const profile = join(this.folder, `profile-${port}`);
    mkdirSync(profile);
    const started = this.start(
      this.programs.provider,
      [`--listen=127.0.0.1:${port}`, `--profile=${profile}`, "--drain=60s"],
      { WASIMOFF_BROKER: `${broker}/`, WASIMOFF_WORKERS: `${workers}`, ...more },
    );
    const provider = { ...started, port };
    if (awaited) await this.ready(provider);
    return provider;
  }

  /** Waits until a provider's page is connected. */
  async ready({ port, log }: RunningProvider): Promise<void> {
    await waitFor("a provider's connection", patience, async () => {
      if (!(await fetch(`http://127.0.0.1:${port}/ready`)).ok)
        throw new Error(readFileSync(log, "utf8").slice(-300));
    });
  }

  /** Ends a process and waits for it. @returns its exit code, or the signal. */
  async end({ child }: Running, signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
    if (!this.running.has(child)) return child.exitCode ?? child.signalCode ?? 0;
    const ended = new Promise<number | string>((resolve) =>
      child.once("exit", (code, by) => resolve(code ?? by ?? 0)),
    );
    child.kill(signal);
    return ended;
  }

  /** What the broker says of itself, by the names of its metrics. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return new Map(
      text
        .trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([name = "", value]) => [name, Number(value)]),
    );
  }

  /** A client of the broker, with the module uploaded. */
  async client(): Promise<WasimoffClient> {
    const client = new WasimoffClient({ url: this.url });
    await client.upload(probe, readFileSync(this.programs.probe));
    return client;
  }

  /** Ends everything and leaves nothing. */
  async remove(): Promise<void> {
    await Promise.all([...this.running].map((child) => this.end({ child, log: "" })));
    // A browser whose program was killed ends a moment later, and writes until then.
    await waitFor("the browsers' end", patience, async () =>
      rmSync(this.folder, { recursive: true, force: true }),
    );
  }

  private start(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Running {
    const log = join(this.folder, `${this.logs++}.log`);
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const to = createWriteStream(log);
    child.stdout.pipe(to, { end: false });
    child.stderr.pipe(to, { end: false });
    this.running.add(child);
    child.once("exit", () => this.running.delete(child));
    return { child, log };
  }
}
