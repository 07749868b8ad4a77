import { createServer, type Server } from "node:http";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { JobError, WasimoffClient } from "../../cli/wasimoff/client";
import { inOrder, type Job, parseJobs } from "../../cli/wasimoff/jobs";
import { listen, stop } from "../fixtures/http-server";

let server: Server | undefined;
afterEach(async () => {
  if (server) await stop(server);
});

type Reply = { status: number; body?: unknown; headers?: Record<string, string> } | "cut";

/** A broker that gives one reply after another, the last one for ever. */
async function broker(...replies: readonly Reply[]) {
  const seen: { path: string; authorization: string | undefined }[] = [];
  server = createServer((request, answer) => {
    request.resume().on("end", () => {
      const reply = replies[Math.min(seen.length, replies.length - 1)] as Reply;
      seen.push({ path: request.url ?? "", authorization: request.headers.authorization });
      if (reply === "cut") request.socket.destroy();
      else answer.writeHead(reply.status, reply.headers).end(JSON.stringify(reply.body ?? ""));
    });
  });
  return { url: await listen(server), seen };
}

const job: Job = { module: "m", args: ["m"], envs: [], stdin: new Uint8Array(), artifacts: [] };
const done = { status: 200, body: { info: { provider: "p" }, ok: { status: 3, stdout: "aGk=" } } };

describe("a client of wasimoff", () => {
  it("gives what a program wrote and ended with, and shows its token", async () => {
    const { url, seen } = await broker({ ...done, headers: { "x-stand-in-attempts": "2" } });
    const output = await new WasimoffClient({ url, token: "secret" }).run(job, 5);
    expect(output).toMatchObject({ status: 3, provider: "p", attempts: 2 });
    expect(Buffer.from(output.stdout).toString()).toBe("hi");
    expect(seen[0]?.authorization).toBe(`Basic ${Buffer.from("wasimoff:secret").toString("base64")}`);
  });

  it("sends a job again only where it has certainly not run", async () => {
    const full = { status: 500, body: { code: "resource_exhausted", message: "full" } };
    for (const first of [full, { status: 503 }] as const) {
      const { url, seen } = await broker(first, done);
      expect((await new WasimoffClient({ url }).run(job, 5)).status).toBe(3);
      expect(seen).toHaveLength(2);
    }
    const ended = { status: 500, body: { code: "deadline_exceeded", message: "late" } };
    for (const first of ["cut", ended, { status: 502 }] as const) {
      const { url, seen } = await broker(first, done);
      await expect(new WasimoffClient({ url }).run(job, 5)).rejects.toThrow(JobError);
      expect(seen).toHaveLength(1);
    }
  });

  it("sends an upload again whatever happened", async () => {
    const { url, seen } = await broker("cut", { status: 503 }, { status: 200 });
    await new WasimoffClient({ url }).upload("m", new Uint8Array([0]));
    expect(seen).toHaveLength(3);
  });

  it("says what a front's refusal means, and does not insist", async () => {
    for (const [status, words] of [
      [401, /--token-file/],
      [403, /access.networks/],
      [413, /larger than/],
    ] as const) {
      const { url, seen } = await broker({ status });
      await expect(new WasimoffClient({ url }).upload("m", new Uint8Array())).rejects.toThrow(words);
      expect(seen).toHaveLength(1);
    }
  });
});

describe("a file of jobs", () => {
  it("is read as the deployment guide's client writes it", () => {
    const [first, second] = parseJobs(
      JSON.stringify({
        bin: "tsp.wasm",
        envs: ["A=1"],
        exec: [{ args: ["tsp", "rand", "8"], envs: ["B=2"], stdin: "x", datafile: "/out" }, {}],
        trace: true,
      }),
      "jobs.json",
    );
    expect(first).toMatchObject({
      module: "tsp.wasm",
      args: ["tsp", "rand", "8"],
      envs: ["A=1", "B=2"],
      artifacts: ["/out"],
    });
    expect(second).toMatchObject({ args: ["tsp.wasm"], envs: ["A=1"] });
  });

  it("is refused with the place of what is wrong", () => {
    expect(() => parseJobs("{", "j")).toThrow(/^j is no JSON/);
    expect(() => parseJobs('{"bin":"m","exec":[{"arg":[]}]}', "j")).toThrow(/exec\.0/);
    expect(() => parseJobs('{"bin":"m","exec":[]}', "j")).toThrow(/exec/);
  });

  it("has its results in its own order, whichever comes first", async () => {
    const ends: (() => void)[] = [];
    const results = inOrder(
      [0, 1, 2],
      3,
      (one) => new Promise<number>((resolve) => ends.push(() => resolve(one))),
    );
    for (const end of ends.reverse()) end();
    expect(await results).toEqual([0, 1, 2]);
  });
});

describe("the stand-in's page", () => {
  /** What this test needs of it: TypeScript declares it with a browser's types alone. */
  const { WebAssembly: wasm } = globalThis as unknown as {
    WebAssembly: {
      Module: new (bytes: Uint8Array) => object;
      Instance: new (module: object) => { exports: { m: { grow(pages: number): number } } };
    };
  };
  const page = (name: string) =>
    import(/* @vite-ignore */ pathToFileURL(`stand-in/wasimoff/page/${name}`).href);

  it("gives every module's memory a limit, and refuses what wants more to begin with", async () => {
    const { limitMemory } = await page("memory.js");
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const memory = (...content: number[]) => Uint8Array.from([...header, 5, content.length, ...content]);
    const grown = (bytes: Uint8Array) => {
      // Exported under the name "m", so that it can be asked for more.
      const exported = Uint8Array.from([...bytes, 7, 5, 1, 1, 0x6d, 2, 0]);
      const { m } = new wasm.Instance(new wasm.Module(exported)).exports;
      m.grow(1);
      return () => m.grow(200);
    };
    expect(grown(memory(1, 0, 1))).not.toThrow();
    expect(grown(limitMemory(memory(1, 0, 1), 130))).toThrow(RangeError);
    expect(grown(limitMemory(memory(1, 1, 1, 50), 130))).toThrow(RangeError);
    expect(() => limitMemory(memory(1, 0, 0x90, 0x4e), 8192)).toThrow(
      /625 MiB to begin with, and a job gets 512/,
    );
    const without = Uint8Array.from(header);
    expect(limitMemory(without, 1)).toBe(without);
  });

  it("reads back the archives that it writes", async () => {
    const { unzip, zip } = await page("zip.js");
    const files = new Map([
      ["a/b", Uint8Array.from([1, 2, 3])],
      ["empty", new Uint8Array()],
    ]);
    expect(await unzip(zip(files))).toEqual(files);
    await expect(unzip(new Uint8Array(40))).rejects.toThrow(/no ZIP archive/);
  });
});
