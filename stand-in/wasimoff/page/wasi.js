import { Content, errno, Tree } from "./files.js";

/** The end of a program by its own will. */
export class Exit extends Error {
  constructor(status) {
    super(`exit ${status}`);
    this.status = status;
  }
}

const fileType = { character: 2, folder: 3, file: 4 };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Waits without using the core where memory may be shared, and by looking at the clock elsewhere. */
function pause(milliseconds) {
  if (globalThis.crossOriginIsolated) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
    return;
  }
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** WASI preview 1 for one run of a command: arguments, environment, standard streams, and files in memory below "/". */
export class Wasi {
  memory;
  #args;
  #envs;
  #tree;
  #open;
  /** Apart from what is open: a program may close its streams, and what it wrote counts all the same. */
  #outputs = { 1: new Content(), 2: new Content() };
  #next = 4;

  constructor({ files, args, envs, stdin }) {
    this.#args = args.map((text) => encoder.encode(`${text}\0`));
    this.#envs = envs.map((text) => encoder.encode(`${text}\0`));
    this.#tree = new Tree(files);
    const stream = (content) => ({ content, at: 0, type: fileType.character });
    this.#open = new Map([
      [0, stream(new Content(stdin))],
      [1, stream(this.#outputs[1])],
      [2, stream(this.#outputs[2])],
      [3, { folder: "", type: fileType.folder, preopened: true }],
    ]);
  }

  /** What the program has written to a standard stream. */
  written(descriptor) {
    return this.#outputs[descriptor].bytes.slice();
  }

  /** Content of a file that is there at the end; undefined if there is none. */
  contentOf(path) {
    const found = this.#tree.get(Tree.clean("", path));
    return found instanceof Content ? found.bytes.slice() : undefined;
  }

  get #view() {
    return new DataView(this.memory.buffer);
  }

  #bytes(at, length) {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  #text(at, length) {
    return decoder.decode(this.#bytes(at, length));
  }

  #list(texts, pointers, buffer) {
    let at = buffer;
    texts.forEach((text, index) => {
      this.#view.setUint32(pointers + 4 * index, at, true);
      this.#bytes(at, text.length).set(text);
      at += text.length;
    });
    return errno.success;
  }

  #sizes(texts, count, size) {
    this.#view.setUint32(count, texts.length, true);
    this.#view.setUint32(
      size,
      texts.reduce((sum, text) => sum + text.length, 0),
      true,
    );
    return errno.success;
  }

  /** Goes through the buffers of a read or write until one is not used whole. @returns the bytes in all. */
  #vectors(vectors, count, use) {
    let sum = 0;
    for (let number = 0; number < count; number++) {
      const at = this.#view.getUint32(vectors + 8 * number, true);
      const length = this.#view.getUint32(vectors + 8 * number + 4, true);
      const used = use(this.#bytes(at, length));
      sum += used;
      if (used < length) break;
    }
    return sum;
  }

  #read(file, at, vectors, count, result) {
    let from = at;
    const sum = this.#vectors(vectors, count, (buffer) => {
      const part = file.content.bytes.subarray(from, from + buffer.length);
      buffer.set(part);
      from += part.length;
      return part.length;
    });
    this.#view.setUint32(result, sum, true);
    return sum;
  }

  #write(file, at, vectors, count, result) {
    let to = at;
    const sum = this.#vectors(vectors, count, (buffer) => {
      file.content.write(to, buffer);
      to += buffer.length;
      return buffer.length;
    });
    this.#view.setUint32(result, sum, true);
    return sum;
  }

  #status(at, type, size) {
    this.#bytes(at, 64).fill(0);
    this.#view.setUint8(at + 16, type);
    this.#view.setBigUint64(at + 24, 1n, true);
    this.#view.setBigUint64(at + 32, BigInt(size), true);
    return errno.success;
  }

  /** Calls with what a descriptor stands for; only a file or stream has a content, only a folder a path. */
  #with(descriptor, kind, use) {
    const found = this.#open.get(descriptor);
    if (!found || (kind && found[kind] === undefined)) return errno.badDescriptor;
    return use(found) ?? errno.success;
  }

  #below(descriptor, path, length, use) {
    return this.#with(descriptor, "folder", ({ folder }) => use(Tree.clean(folder, this.#text(path, length))));
  }

  get imports() {
    const known = { ...this.#process(), ...this.#streamCalls(), ...this.#descriptorCalls(), ...this.#pathCalls() };
    // What is not there says so when it is called, and not before.
    return new Proxy(known, { get: (calls, name) => calls[name] ?? (() => errno.unsupported), has: () => true });
  }

  #process() {
    return {
      args_sizes_get: (count, size) => this.#sizes(this.#args, count, size),
      args_get: (pointers, buffer) => this.#list(this.#args, pointers, buffer),
      environ_sizes_get: (count, size) => this.#sizes(this.#envs, count, size),
      environ_get: (pointers, buffer) => this.#list(this.#envs, pointers, buffer),
      clock_res_get: (_clock, result) => {
        this.#view.setBigUint64(result, 1000n, true);
        return errno.success;
      },
      clock_time_get: (clock, _precision, result) => {
        const now = clock === 0 ? performance.timeOrigin + performance.now() : performance.now();
        this.#view.setBigUint64(result, BigInt(Math.round(now * 1e6)), true);
        return errno.success;
      },
      random_get: (at, length) => {
        for (let done = 0; done < length; done += 65536)
          crypto.getRandomValues(this.#bytes(at + done, Math.min(65536, length - done)));
        return errno.success;
      },
      proc_exit: (status) => {
        throw new Exit(status);
      },
      sched_yield: () => errno.success,
      poll_oneoff: (from, to, count, result) => this.#poll(from, to, count, result),
    };
  }

  /** Files and streams are ready always; with nothing but clocks the earliest one is waited for. */
  #poll(from, to, count, result) {
    const asked = Array.from({ length: count }, (_, number) => {
      const at = from + 48 * number;
      const isClock = this.#view.getUint8(at + 8) === 0;
      const time = isClock ? Number(this.#view.getBigUint64(at + 24, true)) / 1e6 : 0;
      const isAbsolute = isClock && (this.#view.getUint16(at + 40, true) & 1) === 1;
      const now = this.#view.getUint32(at + 16, true) === 0 ? performance.timeOrigin + performance.now() : performance.now();
      return { user: this.#view.getBigUint64(at, true), tag: this.#view.getUint8(at + 8), wait: isAbsolute ? time - now : time };
    });
    const least = Math.min(...asked.map(({ wait }) => wait));
    if (least > 0) pause(least);
    const ready = asked.filter(({ wait }) => wait <= least);
    ready.forEach(({ user, tag }, number) => {
      const at = to + 32 * number;
      this.#bytes(at, 32).fill(0);
      this.#view.setBigUint64(at, user, true);
      this.#view.setUint8(at + 10, tag);
    });
    this.#view.setUint32(result, ready.length, true);
    return errno.success;
  }

  #streamCalls() {
    return {
      fd_read: (fd, vectors, count, result) =>
        this.#with(fd, "content", (file) => {
          file.at += this.#read(file, file.at, vectors, count, result);
        }),
      fd_pread: (fd, vectors, count, at, result) =>
        this.#with(fd, "content", (file) => {
          this.#read(file, Number(at), vectors, count, result);
        }),
      fd_write: (fd, vectors, count, result) =>
        this.#with(fd, "content", (file) => {
          if (file.appends) file.at = file.content.length;
          file.at += this.#write(file, file.at, vectors, count, result);
        }),
      fd_pwrite: (fd, vectors, count, at, result) =>
        this.#with(fd, "content", (file) => {
          this.#write(file, Number(at), vectors, count, result);
        }),
      fd_seek: (fd, offset, whence, result) =>
        this.#with(fd, "content", (file) => {
          if (file.type === fileType.character) return errno.seek;
          const to = [0, file.at, file.content.length][whence] + Number(offset);
          if (!(to >= 0)) return errno.invalid;
          file.at = to;
          this.#view.setBigUint64(result, BigInt(to), true);
        }),
      fd_tell: (fd, result) =>
        this.#with(fd, "content", (file) => this.#view.setBigUint64(result, BigInt(file.at), true)),
    };
  }

  #descriptorCalls() {
    const exists = (fd) => this.#with(fd, undefined, () => errno.success);
    return {
      fd_close: (fd) => (this.#open.delete(fd) ? errno.success : errno.badDescriptor),
      fd_sync: exists,
      fd_datasync: exists,
      fd_fdstat_set_flags: exists,
      fd_advise: exists,
      fd_fdstat_get: (fd, at) =>
        this.#with(fd, undefined, ({ type }) => {
          this.#bytes(at, 24).fill(0);
          this.#view.setUint8(at, type);
          // All rights: there is nothing beyond this memory.
          this.#view.setBigUint64(at + 8, 0x1fffffffn, true);
          this.#view.setBigUint64(at + 16, 0x1fffffffn, true);
        }),
      fd_filestat_get: (fd, at) =>
        this.#with(fd, undefined, ({ type, content }) => this.#status(at, type, content?.length ?? 0)),
      fd_filestat_set_size: (fd, size) => this.#with(fd, "content", ({ content }) => content.resize(Number(size))),
      fd_prestat_get: (fd, at) =>
        this.#with(fd, "preopened", () => {
          this.#view.setUint32(at, 0, true);
          this.#view.setUint32(at + 4, 1, true);
        }),
      fd_prestat_dir_name: (fd, at) =>
        this.#with(fd, "preopened", () => {
          this.#bytes(at, 1)[0] = 47;
        }),
      fd_readdir: (fd, at, length, cookie, result) =>
        this.#with(fd, "folder", ({ folder }) => this.#listFolder(folder, at, length, Number(cookie), result)),
    };
  }

  #listFolder(folder, at, length, cookie, result) {
    let used = 0;
    this.#tree
      .list(folder)
      .slice(cookie)
      .some(([name, entry], number) => {
        const text = encoder.encode(name);
        const record = new Uint8Array(24 + text.length);
        const view = new DataView(record.buffer);
        view.setBigUint64(0, BigInt(cookie + number + 1), true);
        view.setUint32(16, text.length, true);
        view.setUint8(20, entry === "folder" ? fileType.folder : fileType.file);
        record.set(text, 24);
        const part = record.subarray(0, length - used);
        this.#bytes(at + used, part.length).set(part);
        used += part.length;
        return used === length;
      });
    this.#view.setUint32(result, used, true);
  }

  #pathCalls() {
    return {
      path_open: (fd, _follow, path, length, flags, _rights, _inherited, mode, result) =>
        this.#below(fd, path, length, (at) => this.#openPath(at, flags, mode, result)),
      path_filestat_get: (fd, _follow, path, length, result) =>
        this.#below(fd, path, length, (at) => {
          const found = this.#tree.get(at);
          if (!found) return errno.missing;
          return found === "folder"
            ? this.#status(result, fileType.folder, 0)
            : this.#status(result, fileType.file, found.length);
        }),
      path_create_directory: (fd, path, length) =>
        this.#below(fd, path, length, (at) => {
          if (this.#tree.get(at)) return errno.exists;
          if (!this.#tree.hasFolderOf(at)) return errno.missing;
          this.#tree.set(at, "folder");
        }),
      path_unlink_file: (fd, path, length) =>
        this.#below(fd, path, length, (at) => {
          const found = this.#tree.get(at);
          if (!found) return errno.missing;
          if (found === "folder") return errno.isDirectory;
          this.#tree.delete(at);
        }),
      path_remove_directory: (fd, path, length) =>
        this.#below(fd, path, length, (at) => {
          const found = this.#tree.get(at);
          if (!found) return errno.missing;
          if (found !== "folder") return errno.notDirectory;
          if (this.#tree.list(at).length > 0) return errno.notEmpty;
          this.#tree.delete(at);
        }),
      path_rename: (fd, path, length, toFd, toPath, toLength) =>
        this.#below(fd, path, length, (from) =>
          this.#below(toFd, toPath, toLength, (to) => {
            if (!this.#tree.get(from) || !this.#tree.hasFolderOf(to)) return errno.missing;
            this.#tree.rename(from, to);
          }),
        ),
    };
  }

  #openPath(path, flags, mode, result) {
    const [creates, wantsFolder, isNew, truncates] = [1, 2, 4, 8].map((bit) => (flags & bit) !== 0);
    let found = this.#tree.get(path);
    if (found && creates && isNew) return errno.exists;
    if (!found) {
      if (!creates || !this.#tree.hasFolderOf(path)) return errno.missing;
      found = new Content();
      this.#tree.set(path, found);
    }
    if (wantsFolder && found !== "folder") return errno.notDirectory;
    if (truncates && found !== "folder") found.resize(0);
    const descriptor = this.#next++;
    this.#open.set(
      descriptor,
      found === "folder"
        ? { folder: path, type: fileType.folder }
        : { content: found, at: 0, type: fileType.file, appends: (mode & 1) === 1 },
    );
    this.#view.setUint32(result, descriptor, true);
    return errno.success;
  }
}
