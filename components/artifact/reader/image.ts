import { createHash } from "node:crypto";
import type { ArtifactFile } from "../manifest";
import { normalise } from "../reference";
import { readTar, readText } from "./tar";

type ImageFacts = Pick<NonNullable<ArtifactFile["image"]>, "reference" | "id">;

/** Bytes that the configuration of an image has at most, as skopeo and containerd have it. */
const configurationLimit = 4 << 20;

/**
 * Reads the reference and the id of an image out of its docker-archive, as `skopeo copy` and `docker save` write it.
 * @throws Error if it is none, has several images or no reference, or is damaged where that can be told.
 */
export async function readImage(content: AsyncIterable<Buffer>): Promise<ImageFacts> {
  const names = new Set<string>();
  const digests = new Map<string, string>();
  let description: string | undefined;
  await readTar(content, async ({ name, type, size }, bytes) => {
    names.add(name);
    if (name === "manifest.json") description = await readText(bytes);
    else if (type === "file" && size <= configurationLimit) {
      const hash = createHash("sha256");
      for await (const chunk of bytes) hash.update(chunk);
      digests.set(name, hash.digest("hex"));
    }
  });
  if (description === undefined) throw new Error("is no docker-archive: it has no manifest.json");
  const images: { Config: string; RepoTags?: string[] | null; Layers: string[] }[] = JSON.parse(description);
  const [image, ...others] = images;
  if (!image || others.length > 0) throw new Error(`has ${images.length} images instead of one`);
  const reference = image.RepoTags?.[0];
  if (!reference) throw new Error("does not say which image it is: no RepoTags");
  const missing = [image.Config, ...image.Layers].find((name) => !names.has(name));
  if (missing) throw new Error(`lacks ${missing}, a part of the image`);
  const digest = digests.get(image.Config);
  if (!digest || !image.Config.includes(digest)) throw new Error(`has a damaged ${image.Config}`);
  return { reference: normalise(reference), id: `sha256:${digest}` };
}
