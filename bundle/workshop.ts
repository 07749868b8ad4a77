import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cacheDirectory, cached, contentKey, inCache } from "../toolchain/cache";
import { findGo } from "../toolchain/go";
import type { Done } from "../toolchain/progress";
import { Limit } from "./limit";

/** A folder of the cache for what arrives piece by piece: a run that was killed leaves it for the next one. */
export function unfinished(kind: string, key: string): string {
  const directory = join(cacheDirectory(), `bundle-${kind}`, key);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Says of a part whether its key says all about its content. */
export interface PartOptions {
  /**
   * False for what the world may change under the same name: a package's version, an image's tag.
   * @default true
   */
  readonly pinned?: boolean;
}

/** What the making of all parts of one bundle shares. */
export class Workshop {
  /** How much runs at a time. A Go build keeps about four cores busy; most of the others wait for a server. */
  readonly limits = {
    go: new Limit(Math.ceil(availableParallelism() / 4)),
    download: new Limit(4),
    image: new Limit(2),
    /** Maven's local repository and apt's folders are for one at a time. */
    maven: new Limit(1),
    apt: new Limit(1),
    /** Each of these unpacks a whole system. */
    root: new Limit(Math.ceil(availableParallelism() / 4)),
  } as const;
  private readonly parts = new Map<string, Promise<string>>();
  private go?: Promise<string>;

  constructor(
    /** The folder that the paths of the list are relative to. */
    readonly directory: string,
    private readonly refresh: boolean,
    /** Told of each program that is built. */
    readonly done: Done = () => {},
  ) {}

  /** Path of a `go` command; looked for when it is first needed. */
  findGo(): Promise<string> {
    this.go ??= findGo();
    return this.go;
  }

  /**
   * Gives the folder of a part, made by `make` if the cache has none under these words, and once in a run however
   * many ask for it.
   */
  part(
    words: readonly unknown[],
    make: (directory: string) => Promise<void>,
    { pinned = true }: PartOptions = {},
  ): Promise<string> {
    const key = contentKey([JSON.stringify(words)]);
    const known = this.parts.get(key);
    if (known) return known;
    if (this.refresh && !pinned) this.forget(key);
    const made = cached("bundle-part", key, make);
    this.parts.set(key, made);
    return made;
  }

  /** Whether the cache has the part of these words. */
  has(words: readonly unknown[]): boolean {
    return inCache("bundle-part", contentKey([JSON.stringify(words)])) !== undefined;
  }

  private forget(key: string): void {
    rmSync(join(cacheDirectory(), "bundle-part", key), { recursive: true, force: true });
  }
}

/** A word for a part's key: the text of a file of the builder's that decides what comes out. */
export const recipe = (...files: string[]): string =>
  contentKey(files.map((file) => readFileSync(file, "utf8")));
