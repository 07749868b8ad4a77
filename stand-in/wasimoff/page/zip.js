// As much of ZIP as files for a program and from it take: stored or deflated, without encryption, below 4 GiB.

const endMark = 0x06054b50;
const directoryMark = 0x02014b50;
const fileMark = 0x04034b50;

/** Reads an archive. @returns contents by path. */
export async function unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== endMark) end--;
  if (end < 0) throw new Error("the files are no ZIP archive");
  const files = new Map();
  let at = view.getUint32(end + 16, true);
  for (let number = view.getUint16(end + 10, true); number > 0; number--) {
    if (view.getUint32(at, true) !== directoryMark) throw new Error("the ZIP archive is damaged");
    const [method, packed] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true)];
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const path = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name));
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    if (!path.endsWith("/")) files.set(path, await unpack(method, bytes.subarray(start, start + packed)));
    at += 46 + name + extra + comment;
  }
  return files;
}

async function unpack(method, content) {
  if (method === 0) return content.slice();
  if (method !== 8) throw new Error(`the ZIP archive is packed by a method that is not known here (${method})`);
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const table = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(bytes) {
  let value = 0xffffffff;
  for (const one of bytes) value = (value >>> 8) ^ table[(value ^ one) & 255];
  return (value ^ 0xffffffff) >>> 0;
}

/** A header of an archive: its fields, each a value of 2 or 4 bytes. */
function header(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return new Uint8Array(view.buffer);
}

/** Writes an archive whose files are stored as they are. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [path, content] of files) {
    const name = new TextEncoder().encode(path);
    const common = [
      ...[[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21]],
      ...[[4, checksum(content)], [4, content.length], [4, content.length], [2, name.length], [2, 0]],
    ];
    const local = header([[4, fileMark], ...common]);
    directory.push(
      header([[4, directoryMark], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]),
      name,
    );
    parts.push(local, name, content);
    offset += local.length + name.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = header([[4, endMark], [2, 0], [2, 0], [2, files.size], [2, files.size], [4, size], [4, offset], [2, 0]]);
  const all = [...parts, ...directory, end];
  const archive = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}
