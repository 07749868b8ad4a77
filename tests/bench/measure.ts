import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTimings, type StampedLine, type Timings } from "./chain";
import { watchMemory } from "./memory";

/** Arguments of {@link measure}. */
export interface MeasureArgs {
  /** Variables of the pinned CLI's environment, besides those of this process. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the Pulumi project. */
  readonly directory: string;
  /** A command of the CLI that runs the engine: up, preview or destroy, with its options. */
  readonly command: readonly string[];
  /** Whether the CLI's own progress goes to the screen. @default true */
  readonly show?: boolean;
}

/** What one run of the CLI took. */
export interface Measurement {
  /** Seconds from the start of the CLI to its end. */
  readonly wallSeconds: number;
  /** Peak of the resident memory of the CLI and all it started: engine, program, plugins. MiB. */
  readonly peakMiB: number;
  readonly timings: Timings;
}

/**
 * Runs the CLI and measures it with the engine's event log.
 * @throws Error if the command fails or the log is empty: half a run has no figures worth keeping.
 */
export async function measure({ env, directory, command, show = true }: MeasureArgs): Promise<Measurement> {
  // The engine writes debug messages with plain values into this log: the folder is its owner's alone.
  const folder = mkdtempSync(join(tmpdir(), "wiab-bench-"));
  const log = followLines(join(folder, "events.json"));
  try {
    const started = process.hrtime.bigint();
    const child = spawn("pulumi", [...command, "--non-interactive", "--event-log", log.file], {
      cwd: directory,
      // The CLI has --event-log among its commands for debugging alone.
      env: { ...process.env, ...env, PULUMI_DEBUG_COMMANDS: "true" },
      stdio: show ? ["ignore", "inherit", "inherit"] : "ignore",
    });
    const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve(signal ?? code));
    });
    const memory = child.pid === undefined ? undefined : watchMemory(child.pid);
    const end = await ended.finally(() => memory?.stop());
    const wallSeconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (end !== 0) throw new Error(`pulumi ${command.join(" ")} ended with ${end}: nothing was measured`);
    const lines = log.stop();
    if (lines.length === 0)
      throw new Error(
        `pulumi ${command.join(" ")} wrote no event log: its --event-log option may have changed`,
      );
    return { wallSeconds, peakMiB: memory?.stop() ?? 0, timings: parseTimings(lines) };
  } finally {
    log.stop();
    rmSync(folder, { recursive: true });
  }
}

/**
 * Follows a file that grows by lines and stamps each when it comes. The engine's own stamps have whole
 * seconds, too coarse to add up a chain of short steps.
 */
function followLines(file: string): { file: string; stop: () => StampedLine[] } {
  const descriptor = openSync(file, "a+", 0o600);
  const lines: StampedLine[] = [];
  const buffer = Buffer.alloc(1 << 16);
  let unfinished = Buffer.alloc(0);
  let position = 0;
  const read = () => {
    const at = Date.now();
    for (;;) {
      const length = readSync(descriptor, buffer, 0, buffer.length, position);
      if (length === 0) return;
      position += length;
      unfinished = Buffer.concat([unfinished, buffer.subarray(0, length)]);
      for (let end = unfinished.indexOf(10); end >= 0; end = unfinished.indexOf(10)) {
        lines.push({ at, line: unfinished.subarray(0, end).toString("utf8") });
        unfinished = unfinished.subarray(end + 1);
      }
    }
  };
  const watcher = watch(file, read);
  let open = true;
  return {
    file,
    stop: () => {
      if (open) {
        open = false;
        watcher.close();
        read();
        closeSync(descriptor);
      }
      return lines;
    },
  };
}
