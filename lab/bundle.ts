import { readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildBundle } from "../bundle/build";
import { builderPackages, missingBuilderPackages } from "../bundle/packages";
import { bundleKey, readSpecification } from "../bundle/read";
import type { Specification } from "../bundle/specification";
import { cached } from "../toolchain/cache";
import { installPackages } from "./host/packages";

/**
 * Gives the folder of the bundle that a list is of, building it if the cache has none of this list: the first time that
 * takes a good quarter of an hour on two cores, mostly for compiling Kubernetes.
 * @param specification - Path of the list. @default lab/bundle.yaml
 */
export async function buildLabBundle(specification = join(__dirname, "bundle.yaml")): Promise<string> {
  const bundle = await cached("bundle", bundleKey(specification), async (directory) => {
    await installBuilders(readSpecification(specification).specification);
    console.log("building the bundle that the machines are installed from (docs/artifact.md):");
    await buildBundle({ specification, output: directory });
  });
  forgetFormer(bundle);
  return bundle;
}

/** Installs what the builder uses for a list and this machine lacks. */
export async function installBuilders(wanted: Specification): Promise<void> {
  const missing = missingBuilderPackages(wanted);
  if (missing.length === 0) return;
  console.log("installing what the bundle is built with:");
  for (const name of missing) console.log(`  - ${name}: ${builderPackages[name]}`);
  await installPackages(missing, () => {});
}

/** Bundles of 2 GB each that stay in the cache: this one, and the one that a running lab may be made of, or came from. */
const kept = 2;

function forgetFormer(bundle: string): void {
  const now = new Date();
  utimesSync(bundle, now, now);
  const age = (path: string) => now.getTime() - statSync(path).mtimeMs;
  const bundles = readdirSync(dirname(bundle))
    .filter((name) => !name.includes(".building-"))
    .map((name) => join(dirname(bundle), name))
    .sort((a, b) => age(a) - age(b));
  for (const former of bundles.slice(kept)) rmSync(former, { recursive: true, force: true });
}
