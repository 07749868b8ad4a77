import { createHash } from "node:crypto";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";

/** What is known of a file after it has passed by. */
export interface FileSum {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Something wrong with one file of an archive. */
export interface Problem {
  /** Path in the archive. */
  readonly path: string;
  readonly problem: string;
}

type Bytes = AsyncIterable<Buffer>;

/** Reads a file's content to its end if it is of interest; what it leaves is skipped. */
export type Visit = (path: string, content: Bytes) => Promise<void>;

/** Unpacks gzip. Errors of the source and of the compression come to whoever reads. */
export function gunzip(bytes: Bytes): Bytes {
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  pipeline(Readable.from(bytes), unpacked).catch(() => {});
  return unpacked;
}

/**
 * Calls `onEntry` for each entry of a tar, one after the other.
 * @throws Error of the source, of the format, or of `onEntry`, whichever was first.
 */
export async function readTar(
  bytes: Bytes,
  onEntry: (header: Header, content: Bytes) => Promise<void>,
): Promise<void> {
  const parser = extract();
  const feeding = pipeline(Readable.from(bytes), parser);
  feeding.catch(() => {});
  try {
    for await (const entry of parser) {
      // The parser hands out buffers; its types, which are those of any stream, do not say so.
      await onEntry(entry.header, entry as AsyncIterable<Buffer>);
      entry.resume();
    }
    await feeding;
  } catch (error) {
    parser.destroy();
    // A source that fails takes the parser with it, which then says no more than that it was ended.
    throw await feeding.then(
      () => error,
      (first) => (first.code === "ERR_STREAM_PREMATURE_CLOSE" ? error : first),
    );
  }
}

/** The files of an archive, and of the archives in it, by path. */
export class Tree {
  readonly files = new Map<string, FileSum>();
  /** The path that is being read, for the one who has to say where reading broke off. */
  current = "";
  private readonly links = new Map<string, string>();
  private readonly directories = new Set<string>();

  /**
   * Reads a tar into the tree. Paths begin at the tar's own root.
   * @param nested tells the entries that are tars themselves, whose entries are read in their place.
   * @throws Error if it is not a tar, is damaged, or has an entry that would lie outside.
   */
  async read(bytes: Bytes, visit: Visit, nested: (path: string) => boolean = () => false): Promise<void> {
    await readTar(bytes, async (header, content) => {
      const path = inside(header.name);
      this.current = path;
      switch (header.type) {
        case "directory":
          this.directories.add(path);
          break;
        case "link":
          this.links.set(path, inside(header.linkname));
          break;
        case "symlink":
          this.links.set(
            path,
            posix.join(posix.isAbsolute(header.linkname) ? "" : posix.dirname(path), header.linkname),
          );
          break;
        case "file":
        case "contiguous-file":
          if (nested(path)) await this.read(content, visit);
          else await this.add(path, content, visit);
      }
    });
  }

  private async add(path: string, content: Bytes, visit: Visit): Promise<void> {
    const hash = createHash("sha256");
    let size = 0;
    const tapped = tap(content, (chunk) => {
      hash.update(chunk);
      size += chunk.length;
    });
    await visit(path, tapped);
    for await (const _ of tapped);
    this.files.set(path, { sha256: hash.digest("hex"), size });
    // Of two entries with the same path the later one counts, as when it is unpacked.
    this.links.delete(path);
  }

  /** Gives each link what it points to. @returns the links that lead to no file of the tree. */
  resolveLinks(): Problem[] {
    const problems: Problem[] = [];
    for (const path of this.links.keys()) {
      let target = path;
      // As many as Linux follows.
      for (let step = 0; step < 40; step++) target = this.links.get(target) ?? target;
      const file = this.files.get(target);
      if (file) this.files.set(path, file);
      else if (posix.isAbsolute(target) || target.startsWith("../"))
        problems.push({ path, problem: `is a link to ${target}, outside the archive` });
      else if (this.directories.has(target))
        problems.push({ path, problem: `is a link to the folder ${target}` });
      else problems.push({ path, problem: `is a link to ${target}, which the archive does not have` });
    }
    this.links.clear();
    return problems;
  }
}

/** A path in a tar without `./`; it may not lead out. */
function inside(name: string): string {
  const path = posix.normalize(name).replace(/\/$/, "");
  if (posix.isAbsolute(path) || path === ".." || path.startsWith("../"))
    throw new Error(
      `has an entry ${name}, which would be unpacked outside its folder; do not use this archive`,
    );
  return path;
}

/**
 * Looks at each piece on its way. Whoever stops reading halfway does not end the source, unlike with a generator:
 * the rest can still be read.
 */
function tap(bytes: Bytes, look: (chunk: Buffer) => void): Bytes {
  const source = bytes[Symbol.asyncIterator]();
  let last: Promise<unknown> = Promise.resolve();
  const read = async () => {
    const result = await source.next();
    if (!result.done) look(result.value);
    return result;
  };
  // A reader that was ended may have asked for a piece that has not come yet.
  const next = () => {
    const result = last.then(read);
    last = result.catch(() => {});
    return result;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/**
 * Reads a content as text.
 * @throws Error beyond 64 MiB, more than any list in an artifact has.
 */
export async function readText(content: Bytes): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > 1 << 26) throw new Error("is too large for a text file");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
