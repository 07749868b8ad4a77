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

/**
 * Gives `<cache>/<kind>/<key>`, made by `make` if it is not there yet. It appears whole or not at all:
 * `make` works in a folder beside it that is renamed at the end, so that an interrupted run leaves
 * nothing half-made and two runs at once do no harm.
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
  removeAbandoned(parent);
  const building = `${finished}.building-${process.pid}`;
  mkdirSync(building);
  try {
    await make(building);
    // Another run may have been quicker; what it made is as good.
    if (!existsSync(finished)) renameSync(building, finished);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return finished;
}

/** Throws away what runs that were interrupted have left. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /\.building-(\d+)$/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}
