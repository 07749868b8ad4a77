import { resolve } from "node:path";
import type { Listr, ListrTask } from "listr2";
import { inLines } from "../toolchain/tasks";
import { imagesOf } from "./charts/images";
import { chartTree } from "./charts/tree";
import { DebianArchive } from "./debian/archive";
import { makeRepository } from "./debian/repository";
import { buildImage } from "./images/built";
import { debianRoot } from "./images/debian";
import type { FetchedImage } from "./images/image";
import { fetchImage } from "./images/registry";
import { filesOf, type Listed } from "./read";
import { obtain, packPrograms } from "./sources/source";
import type { Binary, Chart, FileSource, Image } from "./specification";
import type { Workshop } from "./workshop";

/** An image with the file that holds it. */
export interface MadeImage extends FetchedImage {
  readonly image: Pick<Image, "reference" | "set" | "licence">;
  readonly source: string;
}

/** Everything that a bundle is packed from, as it lies in the cache. */
export interface Parts {
  /** Folder of the unsigned repository. */
  repository?: string;
  readonly binaries: Map<Binary, string>;
  /** By reference. */
  readonly images: Map<string, MadeImage>;
  /** Folders of the charts. */
  readonly charts: Map<Chart, string>;
}

/**
 * Makes all parts that the cache does not have, side by side. One that fails does not stop the others: what they have
 * made is there for the next run.
 * @throws Error with every part that failed, its place in the list, and why.
 */
export async function makeParts({ specification, directory }: Listed, workshop: Workshop): Promise<Parts> {
  const { apt } = specification;
  const archive = apt && new DebianArchive(apt, workshop);
  const parts: Parts = { binaries: new Map(), images: new Map(), charts: new Map() };
  const failures: string[] = [];
  const notes: string[] = [];
  const task = (
    title: string,
    place: string,
    make: (subtasks: (tasks: ListrTask[]) => Listr) => Promise<unknown>,
  ) => ({
    title,
    task: async (_: unknown, listr: { newListr: (tasks: ListrTask[], options: object) => Listr }) =>
      make((tasks) => listr.newListr(tasks, { concurrent: true, exitOnError: false })).catch(
        (error: Error) => {
          failures.push(`${place} (${title}): ${error.message}`);
          throw error;
        },
      ),
  });

  const binary = async (wanted: Binary) => {
    if (!wanted.archive) return obtain(wanted, folderOf(wanted), workshop, archive);
    const contents = Object.entries(wanted.archive).map(
      async ([path, content]) => [path, await obtain(content, titleOf(content), workshop, archive)] as const,
    );
    return packPrograms(new Map(await Promise.all(contents)), workshop);
  };
  const image = async (wanted: Image): Promise<MadeImage> => {
    const made = wanted.scratch ?? wanted.debian;
    if (!made) {
      const source = wanted.docker ?? `docker://${wanted.reference}`;
      return { ...(await fetchImage(wanted.reference, source, workshop)), image: wanted, source };
    }
    const contents = Object.entries(filesOf(wanted)).map(async ([path, content]) => {
      const listed = specification.binaries.find(({ name }) => name === content.binary);
      if (listed) return [path, await binary(listed)] as const;
      if (content.path !== undefined) return [path, resolve(directory, content.path)] as const;
      return [path, await obtain(content, titleOf(content), workshop, archive)] as const;
    });
    const files = new Map(await Promise.all(contents));
    const root = wanted.debian && archive && (await debianRoot(wanted.debian.packages, archive, workshop));
    const built = await buildImage(wanted.reference, made, files, root, workshop);
    return { ...built, image: wanted, source: wanted.debian ? "Debian packages" : "scratch" };
  };

  const tasks = [
    ...(apt && archive
      ? [
          task("Debian packages", "apt", async () => {
            parts.repository = await makeRepository(apt.packages, archive, workshop, apt.files);
          }),
        ]
      : []),
    ...specification.binaries.map((wanted, index) =>
      task(wanted.name, `binaries[${index}]`, async () => {
        parts.binaries.set(wanted, await binary(wanted));
      }),
    ),
    ...specification.images.map((wanted, index) =>
      task(wanted.reference, `images[${index}]`, async () => {
        parts.images.set(wanted.reference, await image(wanted));
      }),
    ),
    ...specification.charts.map((chart, index) =>
      task(`chart ${chart.name}`, `charts[${index}]`, async (subtasks) => {
        const tree = await chartTree(chart, workshop);
        parts.charts.set(chart, tree);
        const listed = new Set(specification.images.map(({ reference }) => reference));
        const unlisted = (await imagesOf(chart, tree, workshop, (text) => notes.push(text))).filter(
          (reference) => !listed.has(reference),
        );
        return subtasks(
          unlisted.map((reference) =>
            task(reference, `charts[${index}], which needs this image`, async () => {
              parts.images.set(reference, await image({ reference, set: "helm" }));
            }),
          ),
        );
      }),
    ),
  ];
  await inLines(tasks as ListrTask[], { concurrent: true, exitOnError: false });
  for (const note of notes) console.error(note);
  if (failures.length > 0)
    throw new Error(
      `${failures.join("\n")}\nWhat could be made is kept: the same command goes on from here.`,
    );
  return parts;
}

/** The folder in a packed closure: an archive of its maker's has its own name without what stands behind the version. */
const folderOf = ({ name, version, file }: Binary): string =>
  file?.replace(/(-bin)?\.tar\.gz$/, "") ?? `${name}-${version}`;

/** What a closure of a Maven artifact in an image is called. */
const titleOf = ({ maven }: FileSource): string => {
  const [, artifact, version] = maven?.coordinates.split(":") ?? [];
  return `${artifact}-${version}`;
};
