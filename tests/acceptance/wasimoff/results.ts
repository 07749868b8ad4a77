import { expectSame, type Report } from "../../../checks/report";
import type { JobError, Output, WasimoffClient } from "../../../cli/wasimoff/client";
import { type Ground, probeJob } from "../../../lab/wasimoff/ground";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** The message of a job that is to fail. */
export async function failure(work: Promise<Output>): Promise<string> {
  try {
    const { status } = await work;
    throw new Error(`it ended with status ${status}, and should not have run`);
  } catch (error) {
    return (error as JobError).message;
  }
}

/** @throws Error unless the text has what is wanted; gives the text. */
export function expectMatch(found: string, wanted: RegExp): string {
  if (!wanted.test(found)) throw new Error(`found ${JSON.stringify(found.slice(0, 400))}, wanted ${wanted}`);
  return found;
}

/** A ZIP archive of two files, made by Python's zipfile so that nothing of ours is tried against itself. */
const zipped =
  "import sys,zipfile,io;b=io.BytesIO();z=zipfile.ZipFile(b,'w',zipfile.ZIP_DEFLATED);" +
  "z.writestr('given/text','hello '*50);z.writestr('given/other','x');z.close();sys.stdout.buffer.write(b.getvalue())";
const unzipped =
  "import sys,zipfile,io;z=zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()));" +
  "print(z.testzip(),[(n,z.read(n).decode()[:11]) for n in z.namelist()])";

/** What comes back of a WASI program that ran in Chromium. */
export async function checkResults(report: Report, ground: Ground, client: WasimoffClient): Promise<void> {
  const { execFileSync } = await import("node:child_process");
  await report.check("arguments come in, and standard output comes back", async () => {
    const { stdout, status } = await client.run(probeJob(["echo", "a b", "ü", ""]), 60);
    expectSame(status, 0);
    return expectSame(JSON.stringify(text(stdout)), JSON.stringify("a b ü \n"));
  });
  await report.check("standard error and exit status come back", async () => {
    const { stdout, stderr, status } = await client.run(probeJob(["exit", "7"]), 60);
    return expectSame(`${status} ${text(stdout)}${text(stderr)}`, "7 to stdout\nto stderr\n").trim();
  });
  await report.check("the environment comes in", async () =>
    expectSame(
      text((await client.run(probeJob(["env", "A"], { envs: ["A=b=c d"] }), 60)).stdout),
      "b=c d\n",
    ).trim(),
  );
  await report.check("standard input comes in, 1 MiB of any bytes", async () => {
    const stdin = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 31) % 256);
    const { stdout } = await client.run(probeJob(["cat"], { stdin }), 120);
    if (Buffer.compare(stdout, stdin) !== 0) throw new Error("other bytes came back");
    return `${stdout.length} bytes back`;
  });
  await report.check("files come in and go out", async () => {
    const archive = execFileSync("python3", ["-c", zipped]);
    const files = await client.upload("files.zip", archive);
    const { stdout, stderr, status, artifacts } = await client.run(
      probeJob(["files"], { files, artifacts: ["/made/text"] }),
      60,
    );
    expectSame(`${status} ${text(stdout)}${text(stderr)}`, "0 other\ntext\n");
    const listed = execFileSync("python3", ["-c", unzipped], { input: artifacts ?? new Uint8Array() });
    return expectSame(listed.toString().trim(), "None [('made/text', 'HELLO HELLO')]");
  });
  await report.check("a module that is not there is told", async () =>
    expectMatch(await failure(client.run({ ...probeJob([]), module: "none.wasm" }, 30)), /upload it first/),
  );
  await report.check("what is no module is not taken", async () => {
    const refused = await client.upload("text", Buffer.from("text")).catch((error: Error) => error.message);
    return expectMatch(refused, /modules and ZIP archives alone/);
  });
  await checkBounds(report, ground, client);
}

/** What a job may take, and that its provider survives one that wants more. */
async function checkBounds(report: Report, ground: Ground, client: WasimoffClient): Promise<void> {
  await report.check("a job that loops for ever is ended at its time", async () => {
    const begun = Date.now();
    const message = await failure(client.run(probeJob(["loop"]), 5));
    expectMatch(message, /did not end within its time/);
    return `${message}; after ${((Date.now() - begun) / 1000).toFixed(1)} s of 5`;
  });
  await report.check("a job that takes 4 GiB is told that there is no more", async () => {
    const { status, stderr } = await client.run(probeJob(["memory", "4096"]), 300);
    if (status === 0) throw new Error("it got them");
    return `status ${status}, ${expectMatch(text(stderr), /out of memory/).split("\n")[0]}`;
  });
  await report.check("the provider of both goes on", async () => {
    const { stdout } = await client.run(probeJob(["echo", "well"]), 60);
    expectSame(text(stdout), "well\n");
    return expectSame((await ground.metrics()).get("wasimoff_connected_providers") ?? 0, 1);
  });
}
