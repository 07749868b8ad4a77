import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";

/**
 * Where everything that takes long to make is kept, outside the checkout and for all checkouts:
 * `$WIAB_CACHE`, else `$XDG_CACHE_HOME/wiab-staging`, else `~/.cache/wiab-staging`.
 */
export function cacheDirectory(): string {
  const { WIAB_CACHE, XDG_CACHE_HOME } = process.env;
  return WIAB_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "wiab-staging");
}

/** A key that follows from content alone: the given words, and the names and bytes of all files below a folder. */
export function contentKey(words: readonly string[], folder?: string): string {
  const hash = createHash("sha256");
  const add = (text: string | Buffer) => hash.update(`${text.length}:`).update(text);
  for (const word of words) add(word);
  if (folder) {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    for (const file of files) {
      add(relative(folder, file));
      add(readFileSync(file));
    }
  }
  return hash.digest("hex").slice(0, 24);
}

/** The folder of something that the cache has; undefined if it has not. */
export function inCache(kind: string, key: string): string | undefined {
  const folder = join(cacheDirectory(), kind, key);
  return existsSync(folder) ? folder : undefined;
}

/**
 * Gives `<cache>/<kind>/<key>`, made by `make` if it is not there yet. It appears whole or not at all:
 * `make` works in a folder beside it that is renamed at the end, so that an interrupted run leaves
 * nothing half-made. A run that finds another one at the same work waits for it.
 */
export async function cached(
  kind: string,
  key: string,
  make: (directory: string) => Promise<void>,
): Promise<string> {
  const parent = join(cacheDirectory(), kind);
  const finished = join(parent, key);
  if (existsSync(finished)) return finished;
  mkdirSync(parent, { recursive: true });
  for (let announced = false; othersAtWork(parent, key); announced = true) {
    if (!announced) console.error(`waiting for another run, which is making ${finished}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  if (existsSync(finished)) return finished;
  const building = buildingName(finished);
  mkdirSync(building);
  try {
    await make(building);
    publish(building, finished);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return finished;
}

/** Where this process makes what is to appear at a path, beside it. It tells {@link othersAtWork} who is at work. */
export const buildingName = (finished: string): string =>
  `${finished}.building-${process.pid}-${startOf(process.pid)}`;

function publish(building: string, finished: string): void {
  try {
    renameSync(building, finished);
  } catch (error) {
    // Two runs that began in the same moment; what the quicker one made is as good.
    if (!existsSync(finished)) throw error;
  }
}

/** Throws away what interrupted runs have left in a folder, and tells whether a run that lives is making `key` there. */
export function othersAtWork(parent: string, key: string): boolean {
  let atWork = false;
  for (const name of readdirSync(parent)) {
    const [, made, pid, start] = /^(.*)\.building-(\d+)-(\d*)$/.exec(name) ?? [];
    if (!pid) continue;
    if (startOf(Number(pid)) !== start) clear(join(parent, name));
    else if (made === key) atWork = true;
  }
  return atWork;
}

/** Deletes a folder of a run that is gone; what a child of that run still writes into is left to a later look. */
function clear(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
  }
}

/** When a process was started (proc(5), field 22), which tells it from a later one of the same number. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
