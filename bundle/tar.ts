import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";

/** One entry of an archive: a folder, or a file with the content of another file or one given here. */
export interface Entry {
  /** Path in the archive, without a leading slash. */
  readonly path: string;
  readonly content: { readonly file: string } | Buffer | "directory";
  /** Permission bits. @default 0o755 for a folder, else 0o644 */
  readonly mode?: number;
  /** @default root */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Checksum and length of a sequence of bytes. */
export interface Sum {
  /** In hexadecimal. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Passes bytes on and gives their checksum when they have passed. */
function summing(): Transform & { sum: () => Sum } {
  const hash = createHash("sha256");
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return Object.assign(stream, { sum: () => ({ sha256: hash.digest("hex"), size }) });
}

/** Checksum and length of a file. */
export async function sumOf(file: string): Promise<Sum> {
  const sum = summing();
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), sum.resume());
  return sum.sum();
}

/**
 * Writes an archive in which nothing but the entries counts: they are sorted, with no time but the epoch's, and
 * owners are numbers. A `.gz` at the end of the name compresses it.
 * @returns the sum of the archive, and by path those of its files.
 */
export async function writeTar(
  target: string,
  entries: readonly Entry[],
): Promise<Sum & { files: ReadonlyMap<string, Sum> }> {
  const archive = pack();
  const files = new Map<string, Sum>();
  const feed = async () => {
    for (const { path, content, mode, owner } of [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const directory = content === "directory";
      const header = {
        name: directory ? `${path}/` : path,
        type: directory ? ("directory" as const) : ("file" as const),
        mode: mode ?? (directory ? 0o755 : 0o644),
        mtime: new Date(0),
        uid: owner?.uid ?? 0,
        gid: owner?.gid ?? 0,
      };
      if (directory) archive.entry(header);
      else {
        const from = Buffer.isBuffer(content) ? undefined : (content as { file: string }).file;
        const size = from ? statSync(from).size : (content as Buffer).length;
        const sum = summing();
        const source = from ? createReadStream(from, { highWaterMark: 1 << 20 }) : Readable.from([content]);
        await pipeline(source, sum, archive.entry({ ...header, size }) as unknown as NodeJS.WritableStream);
        files.set(path, sum.sum());
      }
    }
    archive.finalize();
  };
  const whole = summing();
  const compression = target.endsWith(".gz") ? [createGzip({ level: 9 })] : [];
  const written = pipeline([
    archive as unknown as NodeJS.ReadableStream,
    ...compression,
    whole,
    createWriteStream(target),
  ]);
  const fed = feed().catch((error) => {
    archive.destroy(error);
    throw error;
  });
  // The first to fail takes the other with it and knows why.
  await Promise.all([written, fed]);
  return { ...whole.sum(), files };
}

/** The entries for all files below a folder: executable where their owner may execute them. */
export function entriesBelow(folder: string, prefix: string): Entry[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({
      path: join(prefix, file.slice(folder.length + 1)),
      content: { file },
      mode: statSync(file).mode & 0o100 ? 0o755 : 0o644,
    }));
}

/** The folders that lie above the paths of some entries. */
export function parentsOf(entries: readonly Entry[]): Entry[] {
  const given = new Set(entries.map(({ path }) => path));
  const parents = new Set<string>();
  for (const { path } of entries)
    for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) parents.add(parent);
  return [...parents].filter((path) => !given.has(path)).map((path) => ({ path, content: "directory" }));
}
