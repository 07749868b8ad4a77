import { setTimeout as sleep } from "node:timers/promises";
import { expectSame, type Report } from "../../../checks/report";
import type { WasimoffClient } from "../../../cli/wasimoff/client";
import { waitFor } from "../../../lab/wait";
import { type Ground, patience, probeJob, type RunningProvider } from "../../../lab/wasimoff/ground";
import { expectMatch, failure } from "./results";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** Waits until the broker counts this many workers that are busy. */
const busy = (ground: Ground, count: number) =>
  waitFor(`${count} busy workers`, patience, async () => {
    expectSame((await ground.metrics()).get("wasimoff_stand_in_busy_workers") ?? -1, count);
  });

/** What becomes of jobs when something goes: providers, the broker, all of them. Begins with one provider of two workers. */
export async function checkFaults(
  report: Report,
  ground: Ground,
  client: WasimoffClient,
  first: RunningProvider,
  restartBroker: () => Promise<void>,
): Promise<void> {
  await report.check(
    "a provider killed in the middle of a job: it ends elsewhere, and says that it was begun twice",
    async () => {
      const running = client.run(probeJob(["sleep", "10000"]), 300);
      await busy(ground, 1);
      await ground.end(first, "SIGKILL");
      const second = await ground.startProvider(1);
      const { stdout, attempts } = await running;
      expectSame(text(stdout), "slept\n");
      await ground.end(second);
      return `given to ${expectSame(attempts ?? 0, 2)} providers`;
    },
  );
  await report.check("without a provider a job ends with an error at its time", async () => {
    const begun = Date.now();
    return `${expectMatch(await failure(client.run(probeJob(["echo"]), 3)), /no provider has joined/)}, after ${seconds(begun)} of 3`;
  });
  const provider = await ground.startProvider(2);
  await report.check("a provider that is told to end finishes its job first", async () => {
    const other = await ground.startProvider(1);
    const running = Promise.all(
      Array.from({ length: 3 }, () => client.run(probeJob(["sleep", "3000"]), 120)),
    );
    await busy(ground, 3);
    const code = await ground.end(other);
    const attempts = (await running).map((output) => output.attempts);
    expectSame(attempts.join(), "1,1,1");
    return `exit code ${expectSame(code, 0)}, no job was begun twice`;
  });
  await report.check(
    "the broker killed and started: providers come back, modules are there still",
    async () => {
      const begun = Date.now();
      await restartBroker();
      await ground.ready(provider);
      const { stdout } = await client.run(probeJob(["echo", "back"]), 60);
      expectSame(text(stdout), "back\n");
      return `after ${seconds(begun)}, without another upload`;
    },
  );
  await report.check(
    "the broker killed in the middle of a job: the client is told that nobody knows",
    async () => {
      const running = failure(client.run(probeJob(["sleep", "60000"]), 120));
      await busy(ground, 1);
      await restartBroker();
      await ground.ready(provider);
      return expectMatch(await running, /whether the job has run is not known/);
    },
  );
  await report.check(
    "100 jobs while a provider is killed: every one ends once, with its own result",
    async () => {
      const other = await ground.startProvider(2);
      const running = Promise.all(
        Array.from({ length: 100 }, (_, index) => client.run(probeJob(["hash", "20000", `${index}`]), 300)),
      );
      await sleep(500);
      await ground.end(other, "SIGKILL");
      const outputs = await running;
      const swapped = outputs.filter(({ stdout }, index) => !text(stdout).startsWith(`${index} `));
      expectSame(swapped.length, 0);
      const twice = outputs.filter(({ attempts }) => attempts !== 1).length;
      const counted = (await ground.metrics()).get("wasimoff_stand_in_retried_tasks_total") ?? 0;
      if (twice > counted)
        throw new Error(`${twice} jobs say that they were begun twice, the broker counts ${counted}`);
      return `0 lost, 0 swapped, ${twice} begun twice and told so`;
    },
  );
}
