/** Error numbers of WASI preview 1, those that are used. */
export const errno = {
  success: 0,
  badDescriptor: 8,
  exists: 20,
  invalid: 28,
  isDirectory: 31,
  missing: 44,
  unsupported: 52,
  notDirectory: 54,
  notEmpty: 55,
  seek: 70,
};

/** What a program writes to one stream, or has in memory as files. */
const outputLimit = 64 << 20;

/** A file that grows as it is written to. */
export class Content {
  #bytes;
  #length;

  constructor(bytes = new Uint8Array()) {
    this.#bytes = bytes;
    this.#length = bytes.length;
  }

  get length() {
    return this.#length;
  }

  get bytes() {
    return this.#bytes.subarray(0, this.#length);
  }

  resize(length) {
    if (length > outputLimit) throw new Error(`a file or stream of more than ${outputLimit >> 20} MiB`);
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length, 256));
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#length = length;
  }

  write(at, bytes) {
    if (at + bytes.length > this.#length) this.resize(at + bytes.length);
    this.#bytes.set(bytes, at);
  }
}

/** Files and folders by path without a slash in front; the root is "". */
export class Tree {
  #entries = new Map([["", "folder"]]);

  constructor(files) {
    for (const [path, bytes] of files) {
      const clean = Tree.clean("", path);
      const parts = clean.split("/");
      for (let depth = 1; depth < parts.length; depth++) this.#entries.set(parts.slice(0, depth).join("/"), "folder");
      this.#entries.set(clean, new Content(bytes));
    }
  }

  /** A path below a folder without "." and "..", which lead nowhere above the root. */
  static clean(folder, path) {
    const parts = [];
    for (const part of `${folder}/${path}`.split("/"))
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    return parts.join("/");
  }

  get(path) {
    return this.#entries.get(path);
  }

  set(path, entry) {
    this.#entries.set(path, entry);
  }

  delete(path) {
    this.#entries.delete(path);
  }

  hasFolderOf(path) {
    return this.#entries.get(path.split("/").slice(0, -1).join("/")) === "folder";
  }

  /** Names of what lies in a folder, with what it is. */
  list(folder) {
    const start = folder === "" ? "" : `${folder}/`;
    return [...this.#entries].flatMap(([path, entry]) => {
      const name = path.slice(start.length);
      return path !== "" && path.startsWith(start) && !name.includes("/") ? [[name, entry]] : [];
    });
  }

  /** Moves a file, or a folder with all that lies in it. */
  rename(from, to) {
    for (const [path, entry] of [...this.#entries])
      if (path === from || path.startsWith(`${from}/`)) {
        this.#entries.delete(path);
        this.#entries.set(to + path.slice(from.length), entry);
      }
  }
}
