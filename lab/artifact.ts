import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readSpecification } from "../bundle/read";
import { cached, inCache } from "../toolchain/cache";
import type { Done, Part } from "../toolchain/progress";
import { buildLabBundle, bundleParts, forgetFormer, installBuilders } from "./bundle";
import { buildWireArchive, wireKey, wireList, wireManifest } from "./wire/archive";

/** Which layout a lab's artifact has: the project's own, or that of Wire's archive. */
export type ArtifactKind = "bundle" | "wire";

/** What a lab's machines are installed from. */
export interface LabArtifact {
  /** As in the configuration. */
  readonly sources: readonly { readonly manifest: string; readonly location: string }[];
  /** Path of the archive that has the charts in its folder `charts`. */
  readonly charts: string;
}

/** A bundle as the artifact of a lab. */
export const ofBundle = (folder: string): LabArtifact => ({
  sources: [{ manifest: join(folder, "manifest.json"), location: folder }],
  charts: join(folder, "charts.tar"),
});

const assetHostList = join(__dirname, "asset-host.yaml");
const packing = "archive in Wire's layout";

/** What {@link wireArtifact} has to make. */
export const wireParts = (): readonly Part[] =>
  inCache("bundle", wireKey())
    ? []
    : [...bundleParts(wireList), ...bundleParts(), { name: packing, minutes: 3 }];

/**
 * An archive in Wire's layout, and the small bundle that Wire's needs beside it. Both are built if the cache has none of
 * these lists, the first time for half an hour on two cores.
 */
export async function wireArtifact(done: Done = () => {}): Promise<LabArtifact> {
  const folder = await cached("bundle", wireKey(), async (directory) => {
    await installBuilders(readSpecification(wireList).specification);
    console.log("building an archive in the layout of Wire's (docs/artifact.md):");
    await buildWireArchive(directory, done);
  });
  done(packing);
  forgetFormer(folder);
  const beside = await buildLabBundle(assetHostList, done);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
  return {
    sources: [{ manifest: join(folder, wireManifest), location: folder }, ...ofBundle(beside).sources],
    charts: join(folder, archive),
  };
}
