import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type ArtifactFile, type ArtifactManifest, renderManifest } from "../components/artifact/manifest";
import { fileNameOf, parseReference, pathOf } from "../components/artifact/reference";
import { architecture } from "../toolchain/pins";
import { describe } from "./charts/dependencies";
import { signingKey } from "./debian/key";
import { component, looseFiles, packagesOf, sign } from "./debian/repository";
import type { MadeImage, Parts } from "./make";
import type { Listed } from "./read";
import { originOf } from "./sources/source";
import type { Apt } from "./specification";
import { type Entry, entriesBelow, parentsOf, type Sum, writeTar } from "./tar";

/** What the manifest says of a file besides its sum and its place. */
type Facts = Pick<ArtifactFile, "kind" | "name" | "version" | "source" | "licence" | "image">;

/** An archive before it is written: its entries, and what there is to say of each file. */
interface Plan {
  readonly name: string;
  readonly entries: readonly (Entry & { readonly facts: Facts })[];
}

/** The archives of a bundle; one that would be empty is none. */
export async function planArchives(listed: Listed, parts: Parts): Promise<Plan[]> {
  const { apt } = listed.specification;
  const plans = [
    ...(apt && parts.repository ? [await planRepository(parts.repository, apt)] : []),
    planBinaries(listed, parts),
    ...(["system", "helm"] as const).map((set) =>
      planImages(
        `containers-${set}`,
        [...parts.images.values()].filter(({ image }) => image.set === set),
      ),
    ),
    planCharts(parts),
  ];
  return plans.filter(({ entries }) => entries.length > 0);
}

async function planRepository(repository: string, apt: Apt): Promise<Plan> {
  const folder = `${folderOf(apt)}/public`;
  const debs = new Map(packagesOf(repository).map((deb) => [deb.path, deb]));
  const carried = entriesBelow(join(repository, "public"), "").map((entry) => {
    const deb = debs.get(entry.path);
    const facts: Facts = {
      kind: "apt",
      ...(deb && { name: deb.name, version: deb.version, source: deb.url }),
    };
    return { ...entry, path: join(folder, entry.path), facts };
  });
  const signed = [...(await sign(repository, apt.suite, await signingKey()))].map(([path, content]) => ({
    path: join(folder, path),
    content,
    facts: { kind: "apt" as const },
  }));
  return { name: folderOf(apt), entries: [...carried, ...signed] };
}

const folderOf = ({ folder, suite }: Apt): string => folder ?? `debs-${suite}`;

function planBinaries({ directory }: Listed, { binaries, repository }: Parts): Plan {
  const entries = [...binaries].map(([binary, file]) => ({
    path: `binaries/${binary.file ?? binary.name}`,
    content: { file },
    // A program of one file can be run as it is.
    mode: binary.go || binary.c ? 0o755 : 0o644,
    facts: {
      kind: "binary" as const,
      name: binary.name,
      version: binary.version,
      source: originOf(binary, directory),
      licence: binary.licence,
    },
  }));
  const packages = (repository ? looseFiles(repository) : []).map((file) => {
    const [, name, version] = /^([^_]+)_([^_]+)_/.exec(basename(file)) ?? [];
    const facts = { kind: "binary" as const, name, version };
    return { path: `binaries/${basename(file)}`, content: { file }, facts };
  });
  return { name: "binaries", entries: [...entries, ...packages] };
}

function planImages(name: string, images: readonly MadeImage[]): Plan {
  const entries = images.map(({ file, id, format, image, source }) => ({
    path: `${name}/${fileNameOf(image.reference)}`,
    content: { file },
    facts: {
      kind: "image" as const,
      name: image.reference,
      version: parseReference(image.reference).tag ?? parseReference(image.reference).digest,
      source,
      licence: image.licence,
      image: { reference: image.reference, id, format, set: image.set },
    },
  }));
  if (entries.length === 0) return { name, entries };
  const names = images.map(({ image }) => `${fileNameOf(image.reference)}\n`).sort();
  const index = {
    path: `${name}/index.txt`,
    content: Buffer.from(names.join("")),
    facts: { kind: "index" as const },
  };
  return { name, entries: [...entries, index] };
}

function planCharts({ charts }: Parts): Plan {
  const entries = [...charts].flatMap(([chart, folder]) => {
    const facts: Facts = {
      kind: "chart",
      name: chart.name,
      version: describe(folder).version?.toString(),
      source: chart.repository ?? chart.path,
    };
    return entriesBelow(folder, join("charts", chart.name)).map((entry) => ({ ...entry, facts }));
  });
  return { name: "charts", entries };
}

/**
 * Looks for images that a mirror could not tell apart: it is asked for a path and a tag alone, whatever the registry.
 * @throws Error naming them.
 */
export function refuseAmbiguous(images: Iterable<Pick<MadeImage, "image" | "id">>): void {
  const byPath = new Map<string, Pick<MadeImage, "image" | "id">>();
  // In the same order whichever was made first.
  const sorted = [...images].sort((a, b) => (a.image.reference < b.image.reference ? -1 : 1));
  for (const made of sorted) {
    const path = pathOf(parseReference(made.image.reference));
    const other = byPath.get(path);
    if (other && other.id !== made.id)
      throw new Error(
        `${other.image.reference} and ${made.image.reference} are different images with the same path ${path}: a ` +
          "registry that stands in for all others cannot tell them apart. Give one of them another tag",
      );
    byPath.set(path, made);
  }
}

/** Bytes that the archives will have, within a few per cent. */
export function sizeOf(plans: readonly Plan[], sizeOfFile: (file: string) => number): number {
  const contents = plans.flatMap(({ entries }) =>
    entries.map(({ content }) =>
      Buffer.isBuffer(content) ? content.length : content === "directory" ? 0 : sizeOfFile(content.file),
    ),
  );
  return contents.reduce((sum, size) => sum + size + 1024, 0);
}

/** Writes the archives and the manifest into a folder. @returns the sums of the archives, by name. */
export async function writeArchives(
  name: string,
  plans: readonly Plan[],
  apt: Apt | undefined,
  folder: string,
): Promise<Map<string, Sum>> {
  const files: ArtifactFile[] = [];
  const archives = new Map<string, Sum>();
  for (const plan of plans) {
    const archive = `${plan.name}.tar`;
    const { files: sums, ...sum } = await writeTar(join(folder, archive), [
      ...plan.entries,
      ...parentsOf(plan.entries),
    ]);
    archives.set(archive, sum);
    for (const { path, facts } of plan.entries)
      files.push({ path, archive, ...(sums.get(path) as Sum), ...facts });
  }
  const manifest: ArtifactManifest = {
    format: 1,
    name,
    layout: "bundle",
    archives: [...archives].map(([name, sum]) => ({ name, ...sum })),
    apt: plans
      .filter((plan) => apt && plan.name === folderOf(apt))
      .map((plan) => ({
        path: `${plan.name}/public`,
        suite: apt?.suite ?? "",
        components: [component],
        architectures: [architecture.go],
        key: `${plan.name}/public/gpg`,
      })),
    files,
  };
  writeFileSync(join(folder, "manifest.json"), renderManifest(manifest));
  return archives;
}
