import type { AptRepository, ArtifactChart, ArtifactFile, ArtifactManifest } from "./manifest";

/** An archive and where the host finds it. */
export interface ArchivePlan {
  readonly name: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** A path on the host, or a URL. */
  readonly location: string;
  /** Everything that it carries. */
  readonly files: readonly ArtifactFile[];
}

/** An apt repository with the checksum of the key that has signed it. */
export interface AptPlan extends AptRepository {
  readonly keySha256: string;
}

/** All artifacts of a stack as one. Pure: what is known before anything is deployed. */
export interface ArtifactPlan {
  readonly archives: readonly ArchivePlan[];
  /** What the asset host serves, sorted by path. */
  readonly served: readonly ArtifactFile[];
  readonly apt: readonly AptPlan[];
  /** Image archives. */
  readonly images: readonly ArtifactFile[];
  /** Wire's charts and the images that its builder packed for them; none in a bundle. */
  readonly charts: readonly ArtifactChart[];
  /** Images that are listed and damaged or missing, by the path of their file. */
  readonly unusable: ReadonlyMap<string, string>;
  /** Names of the registries that the images come from, such as `registry.k8s.io`; each gets a mirror. */
  readonly registries: readonly string[];
}

/** What the asset host has no use for: Wire's artifact carries playbooks and dashboards too. */
const isServed = ({ kind }: ArtifactFile) => kind !== "other";

/**
 * Puts the artifacts of a stack together.
 * @throws Error when two have different files in the same place.
 */
export function planArtifact(
  parts: readonly { readonly manifest: ArtifactManifest; readonly location: string }[],
): ArtifactPlan {
  const files = new Map<string, ArtifactFile>();
  for (const { manifest } of parts)
    for (const file of manifest.files.filter(isServed)) {
      const other = files.get(file.path);
      if (other && other.sha256 !== file.sha256)
        throw new Error(
          `two artifacts have different files at ${file.path}; build one of them anew without it`,
        );
      files.set(file.path, file);
    }
  const served = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const images = served.filter(({ kind }) => kind === "image");
  refuseAmbiguous(images);
  return {
    archives: parts.flatMap(({ manifest, location }) =>
      manifest.archives.map((archive) => ({
        ...archive,
        location: `${location.replace(/\/$/, "")}/${archive.name}`,
        files: manifest.files.filter((file) => file.archive === archive.name),
      })),
    ),
    served,
    apt: parts.flatMap(({ manifest }) =>
      manifest.apt.map((repository) => {
        const key = files.get(repository.key);
        if (!key)
          throw new Error(`${manifest.name} does not have the key of its apt repository, ${repository.key}`);
        return { ...repository, keySha256: key.sha256 };
      }),
    ),
    images,
    charts: parts.flatMap(({ manifest }) => manifest.charts ?? []),
    unusable: new Map(
      parts.flatMap(({ manifest }) =>
        (manifest.unusable ?? []).map(({ path, problem }) => [path, problem] as const),
      ),
    ),
    registries: [
      ...new Set(images.flatMap(({ image }) => (image ? [registryOf(image.reference)] : []))),
    ].sort(),
  };
}

/** A mirror has no names of registries: two different images must not meet in it. */
function refuseAmbiguous(images: readonly ArtifactFile[]): void {
  const taken = new Map<string, { readonly reference: string; readonly id: string }>();
  for (const { image } of images) {
    if (!image) continue;
    const path = image.reference.slice(registryOf(image.reference).length + 1);
    const other = taken.get(path);
    if (other && other.id !== image.id)
      throw new Error(
        `${other.reference} and ${image.reference} are different images, and a mirror has one ${path}`,
      );
    taken.set(path, image);
  }
}

/** The registry in an image reference that has one: everything before the first slash. */
export const registryOf = (reference: string): string => reference.slice(0, reference.indexOf("/"));

/** The binary of that name; undefined if the artifact has none. */
export const findBinary = ({ served }: ArtifactPlan, name: string): ArtifactFile | undefined =>
  served.find((file) => file.kind === "binary" && file.name === name);

/**
 * What is to be said of Debian packages that no image of a machine has and the artifact has not either.
 * @returns Nothing if it has them all.
 */
export function lackingPackages({ served }: ArtifactPlan, names: readonly string[]): string[] {
  const lacking = names.filter((name) => !served.some((file) => file.kind === "apt" && file.name === name));
  const hint =
    "Wire's artifact needs the bundle of bundle/asset-host-jammy.yaml beside it, see docs/artifact.md";
  return lacking.length > 0 ? [`the Debian packages ${lacking.join(", ")} (${hint})`] : [];
}

/** Directory on the host for the unpacked artifact. */
export const storePath = ({
  artifact,
  network,
}: {
  readonly artifact?: { readonly storePath?: string };
  readonly network: { readonly name: string };
}): string => artifact?.storePath ?? `/var/lib/wiab/${network.name}`;
