import { closest } from "fastest-levenshtein";
import type { ArtifactPlan } from "../artifact/plan";
import { fileNameOf, formatReference, parseReference } from "../artifact/reference";
import { containerImages } from "../wire/images";
import type { ReleaseRequest } from "../wire/plan";
import type { RenderRelease } from "../wire/render";

/** What the check of the images needs of an artifact. */
export type PackedImages = Pick<ArtifactPlan, "images" | "unusable">;

/**
 * Renders the releases with their values and looks for every image of theirs in the artifact: what is missing there
 * is found before the first machine, and not by a pod an hour later.
 * @returns what is wrong, by release; nothing if all of it can be installed.
 */
export async function imageProblems(
  releases: readonly ReleaseRequest[],
  artifact: PackedImages,
  render: RenderRelease,
): Promise<string[]> {
  const problems = await Promise.all(
    releases.map(async (release) => {
      try {
        return containerImages(await render(release)).flatMap((image) => missing(image, artifact) ?? []);
      } catch (error) {
        return [`the chart cannot be rendered: ${(error as Error).message}`];
      }
    }),
  );
  return releases.flatMap(({ name }, index) =>
    (problems[index] ?? []).map((problem) => `${name}: ${problem}`),
  );
}

/** Why an image cannot be had from the artifact; undefined if it can. */
function missing(image: string, { images, unusable }: PackedImages): string | undefined {
  const wanted = parseReference(image);
  const references = images.flatMap((file) => file.image?.reference ?? []);
  const packed = new Set(references.map((reference) => formatReference(parseReference(reference))));
  if (packed.has(formatReference(wanted))) return undefined;
  const [untagged = image] = image.split("@");
  if (wanted.digest && packed.has(formatReference(parseReference(untagged))))
    return (
      `needs ${image}, and the artifact has ${untagged} in an archive that keeps no digest: it cannot be pulled by ` +
      "one. Set the chart's value for the digest to an empty text"
    );
  const damaged = [...unusable].find(([path]) =>
    [image, formatReference(wanted)].some((name) => sameFile(path, name)),
  );
  if (damaged) return `needs ${image}, which cannot be used: ${damaged.join(" ")}`;
  const nearest = nearestOf(formatReference(wanted), references);
  return `needs ${image}, which the artifact does not have${nearest ? `; the nearest is ${nearest}` : ""}`;
}

/** Whether a file in an artifact is named after an image; Wire leaves the `@` of a digest as it is. */
const sameFile = (path: string, reference: string): boolean =>
  path.split("/").at(-1)?.replace(/@/g, "_") === fileNameOf(reference);

/** The image that was most likely meant: another tag of the same rather than another image. */
function nearestOf(reference: string, references: readonly string[]): string | undefined {
  const { registry, repository } = parseReference(reference);
  const same = references.filter((other) => {
    const parsed = parseReference(other);
    return parsed.registry === registry && parsed.repository === repository;
  });
  const candidates = same.length > 0 ? same : references;
  return candidates.length > 0 ? closest(reference, candidates) : undefined;
}
