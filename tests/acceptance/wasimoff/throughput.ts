import { loadavg } from "node:os";
import { expectSame, type Report } from "../../../checks/report";
import type { WasimoffClient } from "../../../cli/wasimoff/client";
import { inOrder } from "../../../cli/wasimoff/jobs";
import { type Ground, probeJob } from "../../../lab/wasimoff/ground";
import { table } from "../../../toolchain/table";

/** A run of many jobs. */
interface Measured {
  readonly providers: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
}

/** Rounds of SHA-256 in a job. */
const rounds = "10000";

/** Sends jobs, four at a time for each worker, so that a worker never waits for the client. */
async function measure(client: WasimoffClient, providers: number, jobs: number): Promise<Measured> {
  const times: number[] = [];
  const begun = performance.now();
  const outputs = await inOrder(
    Array.from({ length: jobs }, (_, index) => index),
    4 * providers,
    async (index) => {
      const sent = performance.now();
      const output = await client.run(probeJob(["hash", rounds, `${index}`]), 600);
      times.push(performance.now() - sent);
      return Buffer.from(output.stdout).toString();
    },
  );
  const whole = (performance.now() - begun) / 1000;
  expectSame(outputs.filter((text, index) => text.startsWith(`${index} `)).length, jobs);
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(jobs - 1, Math.floor(share * jobs))] ?? 0;
  return { providers, perSecond: jobs / whole, median: at(0.5), p99: at(0.99) };
}

/** 1, 2 and 4 providers of one worker each: how much more they do together. */
export async function measureThroughput(
  report: Report,
  ground: Ground,
  client: WasimoffClient,
  jobs: number,
): Promise<void> {
  const rows: Measured[] = [];
  let running = 0;
  for (const providers of [1, 2, 4])
    await report.check(`${jobs} jobs over ${providers} providers: none lost, none swapped`, async () => {
      for (; running < providers; running++) await ground.startProvider(1);
      // Each has fetched and compiled the module before the clock starts.
      await Promise.all(Array.from({ length: 8 * providers }, () => client.run(probeJob(["echo"]), 120)));
      const measured = await measure(client, providers, jobs);
      rows.push(measured);
      return `${measured.perSecond.toFixed(1)} jobs a second`;
    });
  const first = rows[0]?.perSecond ?? 1;
  report.note(
    `load of the machine: ${loadavg()[0]?.toFixed(0)}\n${table(
      ["providers", "jobs a second", "times one", "p50", "p99"],
      rows.map(({ providers, perSecond, median, p99 }) => [
        `${providers}`,
        perSecond.toFixed(1),
        (perSecond / first).toFixed(2),
        `${median.toFixed(0)} ms`,
        `${p99.toFixed(0)} ms`,
      ]),
    )}`,
  );
}
