import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildingName, cacheDirectory, othersAtWork } from "../toolchain/cache";
import { runMain } from "../toolchain/commands";
import type { Done } from "../toolchain/progress";
import { makeParts } from "./make";
import { planArchives, refuseAmbiguous, sizeOf, writeArchives } from "./pack";
import { missingBuilderPackages } from "./packages";
import { type Listed, loader, readSpecification } from "./read";
import { sumOf } from "./tar";
import { Workshop } from "./workshop";

export { builderPackages } from "./packages";
export { bundleKey } from "./read";

/** What {@link buildBundle} makes of what. */
export interface BundleOptions {
  /** Path of the list of what goes in, such as `lab/bundle.yaml`. */
  readonly specification: string;
  /** Folder to make; the one above it must exist. An empty one, or a former bundle, is replaced. */
  readonly output: string;
  /** Asks anew for what is not pinned: packages' versions, images by tag, charts without a lock. @default false */
  readonly refresh?: boolean;
  /** Told of each program that is built. @default nobody */
  readonly done?: Done;
}

/** What has come of a folder that was to hold a bundle. */
export type Outcome = "made" | "replaced" | "unchanged";

const manifest = "manifest.json";
const sums = "SHA256SUMS";

/**
 * Makes a bundle. Its folder appears whole or not at all, and the same list, files and key give the same bytes.
 * @throws Error with all that is wrong with the list, or with every part that could not be made and why.
 */
export async function buildBundle({
  specification,
  output,
  refresh = false,
  done,
}: BundleOptions): Promise<Outcome> {
  const finished = resolve(output);
  const listed = readSpecification(specification);
  for (const note of listed.notes) console.error(note);
  refuseForeign(finished);
  const missing = missingBuilderPackages(listed.specification);
  if (missing.length > 0)
    throw new Error(`this needs packages that are not installed: sudo apt-get install ${missing.join(" ")}`);
  if (othersAtWork(dirname(finished), basename(finished)))
    throw new Error(`another run is making ${finished}; wait for it`);
  const building = buildingName(finished);
  mkdirSync(building);
  try {
    await make(listed, new Workshop(listed.directory, refresh, done), building);
    if (!existsSync(finished) || readdirSync(finished).length === 0) {
      renameSync(building, finished);
      return "made";
    }
    if (await isSame(finished, building)) return "unchanged";
    // By a name that the next run throws away, should this one be killed here.
    const former = buildingName(`${finished}.former`);
    renameSync(finished, former);
    renameSync(building, finished);
    rmSync(former, { recursive: true });
    return "replaced";
  } catch (error) {
    throw explained(error as Error, building);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

async function make(listed: Listed, workshop: Workshop, folder: string): Promise<void> {
  const { name, apt } = listed.specification;
  const parts = await makeParts(listed, workshop);
  refuseAmbiguous(parts.images.values());
  const plans = await planArchives(listed, parts);
  const needed = sizeOf(plans, (file) => statSync(file).size);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < needed)
    throw new Error(
      `the bundle takes ${megabytes(needed)} MB, and ${dirname(folder)} has ${megabytes(bavail * bsize)} MB left: ` +
        "make room there, or give a folder on another disk",
    );
  const archives = await writeArchives(name, plans, apt, folder);
  copyFileSync(loader, join(folder, basename(loader)));
  chmodSync(join(folder, basename(loader)), 0o755);
  const files = readdirSync(folder).sort();
  const lines = await Promise.all(
    files.map(
      async (file) => `${(archives.get(file) ?? (await sumOf(join(folder, file)))).sha256}  ${file}\n`,
    ),
  );
  writeFileSync(join(folder, sums), lines.join(""));
}

const megabytes = (bytes: number): number => Math.ceil(bytes / 1e6);

/** A folder that is no bundle is somebody's; it is left alone. */
function refuseForeign(folder: string): void {
  if (!existsSync(dirname(folder))) throw new Error(`${dirname(folder)} does not exist: make it first`);
  if (!existsSync(folder) || existsSync(join(folder, manifest))) return;
  if (!statSync(folder).isDirectory() || readdirSync(folder).length > 0)
    throw new Error(`${folder} exists and is no bundle: it has no ${manifest}. Give another folder`);
}

/** Whether a bundle has the files of another; it may have signatures besides. */
async function isSame(folder: string, other: string): Promise<boolean> {
  const read = (from: string) => (existsSync(join(from, sums)) ? readFileSync(join(from, sums), "utf8") : "");
  if (read(folder) !== read(other)) return false;
  for (const line of read(other).trimEnd().split("\n")) {
    const [sha256, file = ""] = line.split("  ");
    const path = join(folder, file);
    if (!existsSync(path) || (await sumOf(path)).sha256 !== sha256) return false;
  }
  return true;
}

/** Programs say in many ways that a disk is full, and none says whose. */
function explained(error: Error, folder: string): Error {
  if (!/ENOSPC|no space left on device/i.test(error.message)) return error;
  return new Error(
    `${error.message}\nA disk is full: make room in ${cacheDirectory()}, where all parts are kept (WIAB_CACHE names ` +
      `another place), and in ${dirname(folder)}. The same command goes on from here.`,
    { cause: error },
  );
}

const usage = "usage: npm run bundle -- SPECIFICATION -o FOLDER [--refresh]";

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { output: { type: "string", short: "o" }, refresh: { type: "boolean" } },
    allowPositionals: true,
  });
  const [specification, ...rest] = positionals;
  if (!specification || rest.length > 0 || !values.output) throw new Error(usage);
  const outcome = await buildBundle({ specification, output: values.output, refresh: values.refresh });
  const said = {
    made: "is made",
    replaced: "has taken the former bundle's place",
    unchanged: "was so already",
  };
  console.log(`${resolve(values.output)} ${said[outcome]}`);
  return 0;
}

if (require.main === module) runMain(main, usage);
