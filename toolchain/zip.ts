import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inflateRawSync } from "node:zlib";

/**
 * Unpacks a zip archive, since neither Debian nor Ubuntu brings a program for it. Knows what Go's module
 * archives use (stored and deflated entries, no zip64), which are checked against a pinned checksum
 * before they come here.
 * @param rename gives the path below `directory` for a name in the archive.
 * @throws Error at an entry that it does not know how to unpack.
 */
export function unzip(archive: string, directory: string, rename: (name: string) => string): void {
  const bytes = readFileSync(archive);
  // Offsets and signatures: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
  const end = bytes.lastIndexOf("PK\x05\x06", undefined, "latin1");
  if (end < 0) throw new Error(`${archive} is no zip archive, or not all of one`);
  let entry = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [method, size, local] = [
      bytes.readUInt16LE(entry + 10),
      bytes.readUInt32LE(entry + 20),
      bytes.readUInt32LE(entry + 42),
    ];
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((at) => bytes.readUInt16LE(entry + at));
    const name = bytes.toString("utf8", entry + 46, entry + 46 + (nameLength ?? 0));
    entry += 46 + (nameLength ?? 0) + (extraLength ?? 0) + (commentLength ?? 0);
    if (name.endsWith("/")) continue;
    if (method !== 0 && method !== 8) throw new Error(`${archive}: ${name} is packed by method ${method}`);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const packed = bytes.subarray(start, start + size);
    const file = join(directory, rename(name));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, method === 0 ? packed : inflateRawSync(packed));
  }
}
