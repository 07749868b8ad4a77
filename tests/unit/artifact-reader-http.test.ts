import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { ArtifactManifest } from "../../components/artifact/manifest";
import { readArtifact } from "../../components/artifact/reader/read";
import { verifyArtifact } from "../../components/artifact/reader/verify";
import { sha256 } from "../fixtures/archives";
import { listen, stop } from "../fixtures/http-server";
import { makeWireArtifact } from "../fixtures/wire-artifact";

// Nobody waits between attempts here; how often they are made is what counts.
vi.mock("node:timers/promises", () => ({ setTimeout: async () => {} }));

const name = "wire-server-deploy-static-0123456789abcdef.tgz";
let folder: string;
let bytes: Buffer;
let expected: ArtifactManifest;
let server: Server;
let url: string;
/** What the server does with a request. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
/** The ranges that were asked for; undefined for a whole file. */
let ranges: (string | undefined)[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wiab-http-"));
  // Large enough not to fit into what the system keeps for a connection that has ended.
  const content = Array.from({ length: 65_536 }, (_, number) => sha256(`${number}`)).join("");
  const { path } = await makeWireArtifact(folder, (tree) => tree.set("binaries/kubelet", content));
  bytes = readFileSync(path);
  expected = await readArtifact(path);
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response);
  });
  url = `${await listen(server)}/releases/${name}`;
});
afterAll(async () => {
  await stop(server);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  ranges = [];
});
afterEach(() => server.closeAllConnections());

/** Answers as a web server does, with ranges, and ends each connection after `limit` bytes. */
function serve(limit = bytes.length, etag = '"one"'): typeof answer {
  return (request, response) => {
    const asked = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const condition = request.headers["if-range"];
    const start = condition === undefined || condition === etag ? asked : 0;
    response.writeHead(start > 0 ? 206 : 200, {
      etag,
      "content-length": bytes.length - start,
      ...(start > 0 && { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    const end = Math.min(start + limit, bytes.length);
    response.write(bytes.subarray(start, end), () =>
      end < bytes.length ? response.destroy() : response.end(),
    );
  };
}

describe("an artifact on a web server", () => {
  it("is read as one on the disk is", async () => {
    answer = serve();
    expect(await readArtifact(url)).toEqual(expected);
    expect(ranges).toEqual([undefined]);
  });

  it("is read as it is if the server declares its compression", async () => {
    answer = (request, response) => {
      response.setHeader("content-encoding", "gzip");
      serve()(request, response);
    };
    expect((await readArtifact(url)).archives).toEqual(expected.archives);
  });

  it("is found behind a redirection", async () => {
    answer = (request, response) => {
      if (request.url?.startsWith("/releases/"))
        response.writeHead(302, { location: `/mirror/${name}` }).end();
      else serve()(request, response);
    };
    expect(await readArtifact(url)).toEqual(expected);
  });

  it("goes on where the connection was cut", async () => {
    answer = serve(Math.ceil(bytes.length / 3));
    expect(await readArtifact(url)).toEqual(expected);
    const [first, ...resumed] = ranges;
    expect(first).toBeUndefined();
    // What had arrived but was not read when the connection was cut is asked for again.
    const starts = resumed.map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
    expect(starts.length).toBeGreaterThanOrEqual(2);
    expect(starts).toEqual([...starts].sort((one, other) => one - other));
    expect(starts[0]).toBeGreaterThan(0);
  });

  it("is given up after five times", async () => {
    answer = serve(Math.ceil(bytes.length / 20));
    await expect(readArtifact(url)).rejects.toThrow(
      /broke off after \d+ of \d+ bytes \(.+\), having been resumed 5 times: fetch it with a program that resumes/,
    );
    expect(ranges).toHaveLength(6);
  });

  it("is not put together from two versions of the file", async () => {
    let version = 0;
    answer = (request, response) => serve(1_000_000, `"${++version}"`)(request, response);
    await expect(readArtifact(url)).rejects.toThrow(/does not go on from there: the file has changed/);
    expect(ranges).toHaveLength(2);
  });

  it.each([404, 403, 410])("is not asked for again when the server answers %i", async (status) => {
    answer = (_, response) => response.writeHead(status).end();
    await expect(readArtifact(url)).rejects.toThrow(
      new RegExp(`cannot fetch ${url}: the server answers ${status} \\(.+\\); check the address`),
    );
    expect(ranges).toHaveLength(1);
  });

  it("is asked for again while the server has trouble", async () => {
    answer = (request, response) =>
      ranges.length < 3 ? response.writeHead(503).end() : serve()(request, response);
    expect(await readArtifact(url)).toEqual(expected);
    answer = (_, response) => response.writeHead(503).end();
    await expect(readArtifact(url)).rejects.toThrow("the server answers 503");
    expect(ranges).toHaveLength(3 + 6);
  });

  it("is named when nobody listens there", async () => {
    await expect(readArtifact(`http://127.0.0.1:1/${name}`)).rejects.toThrow(
      `cannot fetch http://127.0.0.1:1/${name}: connect ECONNREFUSED`,
    );
  });

  it("is verified there, without being kept", async () => {
    answer = serve();
    expect(await verifyArtifact(url, expected)).toEqual([]);
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(9) ^ 1, 9);
    answer = (_, response) => response.end(altered);
    expect(await verifyArtifact(url, expected)).toEqual([
      expect.objectContaining({ archive: name, problem: expect.stringContaining("is altered") }),
    ]);
  });
});
