import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What `e2e.test --progress-report-url` posts after each test. */
interface Update {
  /** `PASSED …` or `FAILED …` with the test's name, or what the suite as a whole does. */
  readonly msg: string;
  /** How many will run; only one of the processes knows it. */
  readonly total: number;
}

/** Shows a line for each test as it ends. `url` takes the tests' posts until `close` is called. */
export async function showProgress(): Promise<{ readonly url: string; readonly close: () => void }> {
  const started = Date.now();
  let total = 0;
  let ended = 0;
  const show = (update: Update) => {
    total = Math.max(total, update.total);
    const [, verdict, name] = /^(PASSED|FAILED) (.*)/.exec(update.msg) ?? [];
    if (!verdict) return;
    ended++;
    const minutes = ((Date.now() - started) / 60_000).toFixed(1);
    console.log(`  ${verdict === "PASSED" ? "ok  " : "FAIL"}  ${ended} of ${total}, ${minutes} min  ${name}`);
  };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      show(JSON.parse(text));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
