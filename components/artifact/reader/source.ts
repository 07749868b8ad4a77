import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { get as getHttp, type IncomingMessage } from "node:http";
import { get as getHttps } from "node:https";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { quoteUrl } from "../../config/quote";

/** How far the reading of an archive has come. */
export interface Progress {
  /** Name of the archive. */
  readonly archive: string;
  /** Bytes that have been read. */
  readonly done: number;
  /** Bytes that there are; a server need not say. */
  readonly total?: number;
}

/** Called for each piece of an archive that has been read. */
export type OnProgress = (progress: Progress) => void;

/** An archive that is read once, from its first byte to its last, and never stored. */
export interface ArchiveStream {
  /** Name of the file. */
  readonly name: string;
  readonly bytes: AsyncIterable<Buffer>;
  /** SHA-256 and size in bytes of what has been read. */
  readonly checksum: () => { sha256: string; size: number };
}

/** Times that a broken download goes on where it stopped, 1 to 5 s later, before it is given up. */
const resumptions = 5;

/** Milliseconds without a byte after which a connection counts as broken: a closed network often says nothing. */
const silence = 30_000;

export const isUrl = (location: string): boolean => /^https?:\/\//.test(location);

/** Name of the file that a path or URL points to. */
export const nameOf = (location: string): string =>
  isUrl(location) ? decodeURIComponent(basename(new URL(location).pathname)) : basename(location);

/**
 * Opens an archive: a file, or an http(s) URL. A download that breaks off goes on where it stopped, up to five
 * times, if the server can do that. Errors come while the bytes are read, and name the location.
 */
export function openArchive(location: string, onProgress?: OnProgress): ArchiveStream {
  const archive = nameOf(location);
  const hash = createHash("sha256");
  let done = 0;
  const open = isUrl(location) ? download : readFile;
  async function* read() {
    for await (const { chunk, total } of open(location)) {
      hash.update(chunk);
      done += chunk.length;
      onProgress?.({ archive, done, total });
      yield chunk;
    }
  }
  return {
    name: archive,
    bytes: read(),
    checksum: () => ({ sha256: hash.copy().digest("hex"), size: done }),
  };
}

interface Piece {
  readonly chunk: Buffer;
  readonly total?: number;
}

async function* readFile(path: string): AsyncGenerator<Piece> {
  const { size: total } = statSync(path);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) yield { chunk, total };
}

/** An answer that trying again will not change. */
class Refusal extends Error {}

async function* download(url: string): AsyncGenerator<Piece> {
  let done = 0;
  let total: number | undefined;
  let version: string | undefined;
  for (let broken = 0; ; broken++) {
    try {
      const response = await request(url, done, version);
      if (done === 0) {
        total = Number(response.headers["content-length"]) || undefined;
        // A weak ETag does not promise the same bytes.
        const { etag } = response.headers;
        version = etag?.startsWith('"') ? etag : response.headers["last-modified"];
      }
      for await (const chunk of response) {
        done += chunk.length;
        yield { chunk, total };
      }
      if (total === undefined || done >= total) return;
      throw new Error("the server closed the connection");
    } catch (error) {
      const { message, code = "" } = error as NodeJS.ErrnoException;
      const final = error instanceof Refusal || (done === 0 && /^(ECONNREFUSED|ENOTFOUND)$/.test(code));
      if (final || (done === 0 && broken === resumptions))
        throw new Error(`cannot fetch ${quoteUrl(url)}: ${message}`, { cause: error });
      if (broken === resumptions)
        throw new Error(
          `${quoteUrl(url)} broke off after ${done}${total ? ` of ${total}` : ""} bytes (${message}), having been resumed ` +
            `${resumptions} times: fetch it with a program that resumes downloads, such as curl, and give the path of the file`,
          { cause: error },
        );
      await sleep((broken + 1) * 1000);
    }
  }
}

/** Asks for a file from an offset on. Not with `fetch`, which unpacks what a server declares to be gzip. */
async function request(
  url: string,
  offset: number,
  version?: string,
  redirects = 5,
): Promise<IncomingMessage> {
  const headers: Record<string, string> = offset > 0 ? { Range: `bytes=${offset}-` } : {};
  if (offset > 0 && version) headers["If-Range"] = version;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const get = url.startsWith("https:") ? getHttps : getHttp;
    const asked = get(url, { headers, agent: false }, resolve).on("error", reject);
    asked.setTimeout(silence, () => asked.destroy(new Error(`nothing came for ${silence / 1000} s`)));
  });
  const { statusCode = 0, headers: answer } = response;
  const begins = /^bytes (\d+)-/.exec(answer["content-range"] ?? "")?.[1];
  if (offset === 0 ? statusCode === 200 : statusCode === 206 && begins === `${offset}`) return response;
  response.destroy();
  if (statusCode >= 300 && statusCode < 400 && answer.location && redirects > 0)
    return request(new URL(answer.location, url).href, offset, version, redirects - 1);
  if (statusCode >= 500) throw new Error(`the server answers ${statusCode}`);
  throw new Refusal(
    offset > 0 && statusCode < 400
      ? `it broke off after ${offset} bytes, and the server does not go on from there: the file has changed, ` +
          "or the server cannot. Fetch it with another program and give the path of the file"
      : `the server answers ${statusCode} (${response.statusMessage}); check the address`,
  );
}
