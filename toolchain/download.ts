import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** How long a server may take to begin its answer, in milliseconds: a closed network often just says nothing. */
const answerTimeout = 15_000;

/**
 * Fetches a file and checks it.
 * @throws Error if the server cannot be reached or the checksum differs; the file is thrown away then.
 */
export async function download(url: string, file: string, sha256: string): Promise<void> {
  const response = await request(url);
  await pipeline(
    Readable.fromWeb(response.body as import("node:stream/web").ReadableStream),
    createWriteStream(file),
  );
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found !== sha256) {
    rmSync(file);
    throw new Error(`${url} has checksum ${found}, expected ${sha256}`);
  }
}

async function request(url: string): Promise<Response> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), answerTimeout);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    return response;
  } catch (error) {
    // Node says no more than "fetch failed" itself; why, stands in the cause.
    const { message, cause } = error as Error;
    throw new Error(`cannot fetch ${url}: ${(cause as Error | undefined)?.message || message}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}
