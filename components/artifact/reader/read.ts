import { existsSync, statSync } from "node:fs";
import { quotePath, quoteUrl } from "../../config/quote";
import type { ArtifactManifest } from "../manifest";
import { readBundle } from "./bundle";
import { isUrl, type OnProgress } from "./source";
import { isWireArtifact, readWireArtifact } from "./wire";

/** How an artifact is read. */
export interface ReadOptions {
  /** Called as the bytes come. @default none */
  readonly onProgress?: OnProgress;
}

/**
 * Says what an artifact of either layout holds.
 * @param location path or http(s) URL of Wire's .tgz, or the path of a bundle's folder.
 * @throws Error if there is none, it is incomplete, or it is damaged where that can be told without a manifest.
 */
export async function readArtifact(location: string, options: ReadOptions = {}): Promise<ArtifactManifest> {
  if (!isUrl(location)) {
    if (!existsSync(location)) throw new Error(`${quotePath(location)} does not exist`);
    if (statSync(location).isDirectory()) return readBundle(location);
  }
  if (!isWireArtifact(location))
    throw new Error(
      `${quoteUrl(location)} is neither Wire's archive (wire-server-deploy-static-<HASH>.tgz, a path or a URL) ` +
        "nor the folder of a bundle",
    );
  return readWireArtifact(location, options.onProgress);
}
