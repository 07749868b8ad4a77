import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cacheDirectory } from "../toolchain/cache";
import { run, runMain } from "../toolchain/commands";
import { toolchainFolder } from "../toolchain/install";
import { bundleFolder } from "./bundle";
import { guestImageFolder } from "./guest/image";

const usage = "usage: npm run lab:cache -- pack FILE.tar[.gz|.zst] | unpack FILE";

/**
 * `npm run lab:cache -- pack FILE` puts what takes long to make, of this checkout, into an archive: toolchain, guest image
 * and bundle. `-- unpack FILE` puts it into the cache of another machine, or of another user.
 */
async function main(): Promise<number> {
  const [action, file, ...rest] = parseArgs({ allowPositionals: true }).positionals;
  if (!file || rest.length > 0) throw new Error(usage);
  if (action === "pack") await pack(resolve(file));
  else if (action === "unpack") await unpack(resolve(file));
  else throw new Error(usage);
  return 0;
}

/** @throws Error if something of it has not been made here yet. */
export async function pack(file: string): Promise<void> {
  const parts = { toolchain: toolchainFolder(), "guest image": guestImageFolder(), bundle: bundleFolder() };
  const missing = Object.entries(parts).flatMap(([name, folder]) => (folder ? [] : [name]));
  if (missing.length > 0)
    throw new Error(
      `the cache has no ${missing.join(" and no ")} of this checkout yet: run "npm run lab" first`,
    );
  const folders = Object.values(parts).map((folder) => (folder as string).slice(cacheDirectory().length + 1));
  const unfinished = `${file}.unfinished`;
  try {
    await run("tar", [
      "--create",
      ...compression(file),
      "--file",
      unfinished,
      "--directory",
      cacheDirectory(),
      ...folders,
    ]);
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
  console.log(`${file}: ${(statSync(file).size / 1e9).toFixed(1)} GB, ${Object.keys(parts).join(", ")}`);
}

/** The suffix of the unfinished file says nothing to tar. */
function compression(file: string): string[] {
  if (file.endsWith(".gz")) return ["--gzip"];
  return file.endsWith(".zst") ? ["--zstd"] : [];
}

/** Puts each folder of an archive into the cache that is not there yet; one appears whole or not at all. */
export async function unpack(file: string): Promise<void> {
  if (!existsSync(file)) throw new Error(`${file} is not there`);
  mkdirSync(cacheDirectory(), { recursive: true });
  const folder = mkdtempSync(join(cacheDirectory(), "unpacking-"));
  try {
    // The owner is whoever unpacks it.
    await run("tar", ["--extract", "--file", file, "--directory", folder, "--no-same-owner"]);
    for (const kind of readdirSync(folder))
      for (const key of readdirSync(join(folder, kind))) {
        const target = join(cacheDirectory(), kind, key);
        mkdirSync(dirname(target), { recursive: true });
        const there = existsSync(target);
        if (!there) renameSync(join(folder, kind, key), target);
        console.log(`${kind}/${key} ${there ? "was there already" : "is there now"}`);
      }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (require.main === module) runMain(main, usage);
