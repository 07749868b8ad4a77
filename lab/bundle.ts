import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { buildBundle } from "../bundle/build";
import { builderPackages, missingBuilderPackages } from "../bundle/packages";
import { bundleKey, filesOf, readSpecification, sourcesOf } from "../bundle/read";
import { hasGo, nameOf } from "../bundle/sources/program";
import type { GoSource, Specification } from "../bundle/specification";
import { Workshop } from "../bundle/workshop";
import { cacheDirectory, cached, contentKey, inCache } from "../toolchain/cache";
import type { Done, Part } from "../toolchain/progress";
import { installPackages } from "./host/packages";

const ownList = join(__dirname, "bundle.yaml");

/** Minutes that compiling the programs of a Go module takes on two cores; of those that take more than one. */
const goMinutes: Readonly<Record<string, number>> = {
  "bundle/go/kubernetes": 8,
  "bundle/go/minio": 2,
  "bundle/go/containerd": 2,
};

/** Where the lab's bundle is, if it is there already. */
export const bundleFolder = (): string | undefined => inCache("bundle", bundleKey(ownList));

const packing = "packages, images and packing";

/** What {@link buildLabBundle} has to make: the programs that the cache lacks, and the rest. */
export function bundleParts(specification = ownList): readonly Part[] {
  if (inCache("bundle", bundleKey(specification))) return [];
  const { specification: list, directory } = readSpecification(specification);
  const workshop = new Workshop(directory, false);
  const sources = [
    ...list.binaries.flatMap(sourcesOf),
    ...list.images.flatMap((image) => Object.values(filesOf(image))),
  ];
  const missing = sources.flatMap(({ go }) => (go && !hasGo(go, workshop) ? [go] : []));
  // The programs of a module share most of what is compiled.
  const shareOf = ({ module }: GoSource) =>
    (goMinutes[module] ?? 1) / missing.filter((other) => other.module === module).length;
  return [
    ...missing.map((go) => ({ name: nameOf(go), minutes: shareOf(go) })),
    { name: packing, minutes: 3 },
  ];
}

/**
 * Gives the folder of the bundle that a list is of, building it if the cache has none of this list: the first time that
 * takes a good quarter of an hour on two cores, mostly for compiling Kubernetes.
 * @param specification - Path of the list. @default lab/bundle.yaml
 */
export async function buildLabBundle(specification = ownList, done: Done = () => {}): Promise<string> {
  const bundle = await cached("bundle", bundleKey(specification), async (directory) => {
    await installBuilders(readSpecification(specification).specification);
    console.log("building the bundle that the machines are installed from (docs/artifact.md):");
    await buildBundle({ specification, output: directory, done });
  });
  done(packing);
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

/** Where each lab of this machine has noted its stack's file. */
const usersDirectory = (): string => join(cacheDirectory(), "bundle-users");

/** Has the cache keep the bundles that a lab's stack file names, for as long as it is there and names them. */
export function keepBundlesOf(stackFile: string): void {
  mkdirSync(usersDirectory(), { recursive: true });
  writeFileSync(join(usersDirectory(), contentKey([stackFile])), stackFile);
}

/** Bundles of 2 GB each that stay besides those of labs: this one and the last one, which a change is tried against. */
const kept = 2;

/** Takes bundles out of the cache that nobody has asked for lately and no lab is made of. */
export function forgetFormer(bundle: string): void {
  const now = new Date();
  utimesSync(bundle, now, now);
  const age = (path: string) => now.getTime() - statSync(path).mtimeMs;
  const bundles = readdirSync(dirname(bundle))
    .filter((name) => !name.includes(".building-"))
    .map((name) => join(dirname(bundle), name))
    .sort((a, b) => age(a) - age(b));
  const labs = stackFilesOfLabs().map((file) => readFileSync(file, "utf8"));
  for (const former of bundles.slice(kept))
    if (!labs.some((text) => text.includes(former))) rmSync(former, { recursive: true, force: true });
}

/** The stack files that are still there; notes of others go. */
function stackFilesOfLabs(): string[] {
  if (!existsSync(usersDirectory())) return [];
  return readdirSync(usersDirectory()).flatMap((name) => {
    const note = join(usersDirectory(), name);
    const file = readFileSync(note, "utf8");
    if (existsSync(file)) return [file];
    rmSync(note);
    return [];
  });
}
