import { limitMemory } from "./memory.js";
import { unzip, zip } from "./zip.js";

/** Pages of 64 KiB that a job may have: half a GiB. Upstream has no such bound. */
const memoryPages = 8192;

const bytesOf = (text) => Uint8Array.from(atob(text ?? ""), (one) => one.charCodeAt(0));

function textOf(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

/** Workers that each run one job at a time. */
export class Pool {
  #size;
  #storage;
  #modules = new Map();
  #idle = [];
  #jobs = new Map();
  #whenIdle = [];

  constructor(size, storage) {
    this.#size = size;
    this.#storage = storage;
    for (let number = 0; number < size; number++) this.#idle.push(this.#hire());
  }

  get running() {
    return this.#jobs.size;
  }

  #hire() {
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  }

  /** Runs a job. @returns `{ok}` with what the program wrote, or `{error}`; never throws. */
  async run(id, params) {
    const job = { cancelled: undefined, stop: undefined };
    this.#jobs.set(id, job);
    try {
      const [module, files] = await Promise.all([
        this.#module(params.binary.ref),
        params.rootfs ? this.#fetch(params.rootfs.ref).then(unzip) : new Map(),
      ]);
      if (job.cancelled) return { error: job.cancelled };
      return await this.#work(job, {
        module,
        files,
        args: params.args ?? [],
        envs: params.envs ?? [],
        stdin: bytesOf(params.stdin),
        artifacts: params.artifacts ?? [],
      });
    } catch (error) {
      return { error: String(error?.message ?? error) };
    } finally {
      this.#jobs.delete(id);
      if (this.#jobs.size === 0) for (const done of this.#whenIdle.splice(0)) done();
    }
  }

  /** Ends a job, and with it the worker that runs it: nothing else stops a loop. */
  cancel(id, reason) {
    const job = this.#jobs.get(id);
    if (!job) return;
    job.cancelled = `ended: ${reason}`;
    job.stop?.(job.cancelled);
  }

  /** Waits until no job runs. */
  idle() {
    return this.#jobs.size === 0 ? Promise.resolve() : new Promise((done) => this.#whenIdle.push(done));
  }

  end() {
    for (const id of this.#jobs.keys()) this.cancel(id, "the page has lost its connection");
    for (const worker of this.#idle.splice(0)) worker.terminate();
  }

  async #fetch(ref) {
    // A reference begins like a URL of its own: sha256:…
    const answer = await fetch(new URL(`./${ref}`, this.#storage));
    if (!answer.ok) throw new Error(`${ref} cannot be fetched: status ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** A module is fetched and compiled once; its reference is the hash of its content. */
  #module(ref) {
    const known = this.#modules.get(ref);
    if (known) return known;
    const made = this.#fetch(ref).then((bytes) => WebAssembly.compile(limitMemory(bytes, memoryPages)));
    this.#modules.set(ref, made);
    made.catch(() => this.#modules.delete(ref));
    return made;
  }

  #work(job, task) {
    const worker = this.#idle.pop() ?? this.#hire();
    return new Promise((resolve) => {
      job.stop = (reason) => {
        worker.terminate();
        this.#idle.push(this.#hire());
        resolve({ error: reason });
      };
      worker.onerror = (event) => job.stop(event.message || "the worker has failed");
      worker.onmessage = ({ data: { error, status, stdout, stderr, artifacts } }) => {
        if (this.#idle.length < this.#size) this.#idle.push(worker);
        else worker.terminate();
        resolve(
          error === undefined
            ? {
                ok: {
                  status,
                  stdout: textOf(stdout),
                  stderr: textOf(stderr),
                  ...(task.artifacts.length > 0
                    ? { artifacts: { media: "application/zip", blob: textOf(zip(artifacts)) } }
                    : {}),
                },
              }
            : { error },
        );
      };
      worker.postMessage(task);
    });
  }
}
