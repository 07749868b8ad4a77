import { createHash } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parse } from "yaml";
import { imagesOf } from "../../bundle/charts/images";
import { makeParts, type Parts } from "../../bundle/make";
import { planArchives } from "../../bundle/pack";
import { bundleKey, type Listed, readSpecification } from "../../bundle/read";
import type { Entry } from "../../bundle/tar";
import { Workshop } from "../../bundle/workshop";
import { renderManifest } from "../../components/artifact/manifest";
import { readWireArtifact } from "../../components/artifact/reader/wire";
import { contentKey } from "../../toolchain/cache";
import { run } from "../../toolchain/commands";
import type { Done } from "../../toolchain/progress";
import { packElasticsearch } from "./elasticsearch";

/** Programs and packages of Wire's versions. */
export const wireList = join(__dirname, "..", "wire.yaml");
/** Where charts and the images that they use come from, and flannel. */
const labList = join(__dirname, "..", "bundle.yaml");

/** The manifest that an operator would make of Wire's archive. */
export const wireManifest = "wire.json";

/** A key for the archive: the same lists and builder give the same key. */
export const wireKey = (): string => contentKey([bundleKey(wireList), bundleKey(labList)], __dirname);

/** Named as Wire's, which have the commit that they were built from in their names. */
const archiveName = (): string =>
  `wire-server-deploy-static-${createHash("sha1").update(wireKey()).digest("hex")}.tgz`;

/**
 * Makes an archive with the layout of Wire's in a folder, with Wire's versions as near as they can be had, and beside it
 * the manifest that Wire's reader makes of it.
 * @throws Error with every part that could not be made, and why.
 */
export async function buildWireArchive(folder: string, done: Done = () => {}): Promise<void> {
  const listed = readSpecification(wireList);
  const workshop = new Workshop(listed.directory, false, done);
  const parts = await allParts(listed, workshop);
  const images = new Map<string, readonly string[]>();
  for (const [chart, tree] of parts.charts)
    images.set(chart.name, await imagesOf(chart, tree, workshop, () => {}));
  const file = join(folder, archiveName());
  await packWireArchive(file, listed, parts, images);
  writeFileSync(join(folder, wireManifest), renderManifest(await readWireArtifact(file)));
}

/**
 * Packs parts as Wire's build does it: a folder for each that tar takes, and all of them in one.
 * @param images of the charts, by their names.
 */
export async function packWireArchive(
  file: string,
  listed: Listed,
  parts: Parts,
  images: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const stage = `${file}.stage`;
  const archives: string[] = [];
  for (const { name, entries } of await planArchives(listed, parts)) {
    place(stage, entries);
    if (name.startsWith("debs-")) asAptly(stage, name, entries);
    if (name === "binaries") await packElasticsearch(join(stage, name));
    if (name === "charts") continue;
    archives.push(`${name}.tar`);
    await tar(stage, `${name}.tar`, [name]);
  }
  describe(stage, parts, images);
  await tar(stage, file, [...archives.sort(), ...folders]);
  rmSync(stage, { recursive: true });
}

/** Folders that lie in the archive as they are. */
const folders = ["ansible", "bin", "charts", "containers-adminhost", "dashboards", "values", "versions"];

/** What the two lists come to together. */
async function allParts(listed: Listed, workshop: Workshop): Promise<Parts> {
  const { specification, directory } = readSpecification(labList);
  const ofCharts = {
    ...specification,
    apt: specification.apt && { ...specification.apt, packages: ["hello"] },
    binaries: specification.binaries.filter(({ name }) => name === "conformance"),
    images: specification.images.filter(
      ({ set, reference }) => set === "helm" || reference.includes("/flannel:"),
    ),
  };
  const lab = await makeParts({ specification: ofCharts, directory, notes: [] }, workshop);
  const wire = await makeParts(listed, workshop);
  return {
    ...wire,
    binaries: new Map([...wire.binaries, ...lab.binaries]),
    images: new Map([...wire.images, ...lab.images]),
    charts: lab.charts,
  };
}

function place(stage: string, entries: readonly Entry[]): void {
  for (const { path, content } of entries) {
    const file = join(stage, path);
    mkdirSync(dirname(file), { recursive: true });
    if (Buffer.isBuffer(content)) writeFileSync(file, content);
    else if (content !== "directory") linkSync(content.file, file);
  }
}

/** aptly keeps each package in a pool of its own, under a name of its checksum, and what it publishes are links. */
function asAptly(stage: string, name: string, entries: readonly Entry[]): void {
  const root = join(stage, name);
  for (const { path } of entries.filter(({ path }) => path.endsWith(".deb"))) {
    const sum = createHash("md5")
      .update(readFileSync(join(stage, path)))
      .digest("hex");
    const pooled = join(root, "pool", sum.slice(0, 2), sum.slice(2, 4), `${sum.slice(4)}_${basename(path)}`);
    mkdirSync(dirname(pooled), { recursive: true });
    linkSync(join(stage, path), pooled);
  }
  mkdirSync(join(root, "db"));
  writeFileSync(join(root, "db", "CURRENT"), "MANIFEST-000000\n");
}

/** What Wire's builder writes down of what it has packed, and folders that are carried and not used. */
function describe(
  stage: string,
  { charts, binaries }: Parts,
  images: ReadonlyMap<string, readonly string[]>,
) {
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    writeFileSync(join(stage, path), text);
  };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  for (const { name } of charts.keys()) write(`values/${name}/prod-values.example.yaml`, "{}\n");
  write("versions/helm_image_tree.json", json([...images].map(([chart, list]) => ({ chart, images: list }))));
  const versions = [...binaries.keys()].map(({ name, version }) => ({
    [wireNames[name] ?? name]: { version },
  }));
  write("versions/wire-binaries.json", json(versions));
  write("containers-adminhost/index.txt", "");
  for (const unused of ["ansible", "bin", "dashboards"])
    write(`${unused}/README`, "Wire's archive has files here; this one of a lab has none.\n");
}

/** Names in versions/wire-binaries.json where Wire's differ from the program's own. */
const wireNames: Readonly<Record<string, string>> = { kubeadm: "kube", kubelet: "kube", kubectl: "kube" };

/** The same bytes each time; compression costs more time than a disk saves. */
const tar = (folder: string, file: string, names: readonly string[]): Promise<string> =>
  run(
    "tar",
    [
      ...[
        "--create",
        "--file",
        file,
        "--sort=name",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
      ],
      ...(file.endsWith(".tgz") ? ["--use-compress-program=gzip -1 --no-name"] : []),
      ...["--directory", folder, ...names],
    ],
    { cwd: folder },
  );

/** Suite of the archive's packages, and so of the guests that take them. */
export const wireSuite = (): string => parse(readFileSync(wireList, "utf8")).apt.suite;
