import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { fileNameOf, normalise, parseReference } from "../components/artifact/reference";
import { quotePath } from "../components/config/quote";
import { parseYaml } from "../components/config/yaml";
import { contentKey } from "../toolchain/cache";
import { goVersion } from "../toolchain/pins";
import { localDependencies } from "./charts/dependencies";
import {
  type Binary,
  type Chart,
  type FileSource,
  type Image,
  type Specification,
  specification,
} from "./specification";

/** A list of what goes into a bundle that has been found in order. */
export interface Listed {
  readonly specification: Specification;
  /** The folder that its paths are relative to. */
  readonly directory: string;
  /** What was read otherwise than it is written, for people: references that left something out. */
  readonly notes: readonly string[];
}

/** The script that people fill their own registry with; every bundle has a copy. */
export const loader = join(__dirname, "../components/artifact/registry/load-and-push-images.sh");

/**
 * Reads a list and checks it and that everything it refers to is there. References in what it gives are in full.
 * @throws Error with all that is wrong, each with its place in the list.
 */
export function readSpecification(file: string): Listed {
  const directory = dirname(resolve(file));
  const parsed = specification.safeParse(parsedYaml(file));
  if (!parsed.success) throw new Error(`${file}:\n${z.prettifyError(parsed.error)}`);
  const notes: string[] = [];
  const problems: string[] = [];
  const inFull = (reference: string, place: string): string => {
    try {
      const full = normalise(reference);
      if (full !== reference) notes.push(`${place}: ${reference} is taken as ${full}`);
      return full;
    } catch (error) {
      problems.push(`${(error as Error).message}\n  → at ${place}`);
      return reference;
    }
  };
  const read: Specification = {
    ...parsed.data,
    images: parsed.data.images.map((image, index) => ({
      ...image,
      reference: inFull(image.reference, `images[${index}].reference`),
    })),
    charts: parsed.data.charts.map((chart, index) => ({
      ...chart,
      images: chart.images.map((image, at) => inFull(image, `charts[${index}].images[${at}]`)),
    })),
  };
  problems.push(...problemsOf(read, directory));
  if (problems.length > 0) throw new Error(`${file}:\n${problems.map((text) => `✖ ${text}`).join("\n")}`);
  return { specification: read, directory, notes };
}

function parsedYaml(file: string): unknown {
  try {
    return parseYaml(readFileSync(file, "utf8"), quotePath(file));
  } catch (error) {
    throw new Error(`cannot read ${quotePath(file)}: ${(error as Error).message}`);
  }
}

/** Finds what a bundle cannot be made of, although each entry by itself could be right. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a check after another of one list, each of a few lines; the list is what there is to read
function problemsOf(read: Specification, directory: string): string[] {
  const problems: string[] = [];
  const report = (place: string, problem: string) => problems.push(`${problem}\n  → at ${place}`);
  const unique = (place: string, what: string, names: readonly string[]) => {
    for (const [index, name] of names.entries())
      if (names.indexOf(name) < index) report(`${place}[${index}]`, `a second ${what} ${name}`);
  };
  if (!read.apt && read.binaries.length + read.images.length + read.charts.length === 0)
    report("the top", "lists nothing that a bundle could be made of");
  unique(
    "binaries",
    "binary",
    read.binaries.map(({ name }) => name),
  );
  unique(
    "binaries",
    "file",
    read.binaries.map((binary) => binary.file ?? binary.name),
  );
  unique(
    "images",
    "image",
    read.images.map(({ reference }) => reference),
  );
  unique(
    "images",
    "image whose file would be",
    read.images.map(({ reference }) => fileNameOf(reference)),
  );
  unique(
    "charts",
    "chart",
    read.charts.map(({ name }) => name),
  );

  for (const [place, text] of referredFiles(read))
    if (!existsSync(resolve(directory, text))) report(place, `${text} is not there`);

  const checkSource = (place: string, source: FileSource) => {
    if (source.deb && !read.apt)
      report(place, "a file of a Debian package needs `apt`, which says of which suite");
    if (source.maven?.closure && source.maven.sha256)
      report(
        place,
        "`closure` makes an archive whose files the repository's checksums prove; it takes no sha256",
      );
    if (source.maven?.closure && /:(?!jar$)[^:]+$/.test(source.maven.coordinates))
      report(place, "`closure` is for jars");
    const module = source.go?.module ?? source.c?.module;
    // A module without dependencies has no go.sum.
    for (const name of module === undefined ? [] : ["go.mod", "go.sum"])
      if (!existsSync(resolve(directory, module as string, name)) && (name === "go.mod" || source.c))
        report(place, `${join(module as string, name)} is not there`);
  };
  for (const [index, binary] of read.binaries.entries())
    for (const source of sourcesOf(binary)) checkSource(`binaries[${index}]`, source);
  for (const [index, image] of read.images.entries()) {
    const place = `images[${index}]`;
    for (const [path, content] of Object.entries(filesOf(image))) {
      const at = `${place}: ${path}`;
      checkSource(at, content);
      if (content.binary && !read.binaries.some(({ name }) => name === content.binary))
        report(at, `no binary ${content.binary} is listed`);
      if (!/^[0-7]{3,4}$/.test(content.mode)) report(at, `${content.mode} is no octal mode`);
    }
    for (const [path, { owner, mode }] of Object.entries(
      (image.scratch ?? image.debian)?.directories ?? {},
    )) {
      if (!/^\d+:\d+$/.test(owner)) report(`${place}: ${path}`, `${owner} is no numeric uid:gid`);
      if (!/^[0-7]{3,4}$/.test(mode)) report(`${place}: ${path}`, `${mode} is no octal mode`);
    }
    if (image.debian && !read.apt)
      report(place, "an image of Debian packages needs `apt`, which says of which suite");
    if ((image.scratch || image.debian) && image.reference.includes("@"))
      report(place, "an image that is made here has no digest beforehand: give it a tag");
    try {
      if (image.docker) parseReference(image.docker.slice("docker://".length));
    } catch (error) {
      report(`${place}.docker`, (error as Error).message);
    }
  }
  for (const [index, chart] of read.charts.entries()) {
    if (chart.path === undefined) continue;
    const description = resolve(directory, chart.path, "Chart.yaml");
    if (!existsSync(description))
      report(`charts[${index}]`, `${join(chart.path, "Chart.yaml")} is not there`);
    else {
      const { name } = parse(readFileSync(description, "utf8")) ?? {};
      // Helm insists that a chart lies in a folder of its name.
      if (name !== chart.name) report(`charts[${index}]`, `the chart in ${chart.path} is named ${name}`);
    }
  }
  for (const [index, line] of (read.apt?.sources ?? []).entries())
    if (!/^deb\s+\[.*\bsigned-by=.*\]/.test(line) || /\btrusted=/.test(line))
      report(
        `apt.sources[${index}]`,
        "must be `deb [signed-by=KEYRING] URI SUITE COMPONENTS`: packages are taken from nobody unknown",
      );
  return problems;
}

/** Where a binary comes from: the programs of an archive, or itself. */
export const sourcesOf = (binary: Binary): FileSource[] =>
  Object.values(binary.archive ?? { itself: binary });

/** The files of an image that is made here, by their path in it. */
export const filesOf = (image: Image) => (image.scratch ?? image.debian)?.files ?? {};

/** The keyring that a line of sources.list(5) names, if it names a file. */
export const keyringOf = (line: string): string | undefined =>
  /\bsigned-by=([^\s\]]*[/.][^\s\]]*)/.exec(line)?.[1];

/** Every file and folder that a list refers to, with the place that does. */
function referredFiles({ apt, binaries, images, charts }: Specification): [place: string, path: string][] {
  const found: [string, string | undefined][] = [];
  const ofSource = (place: string, { go, c }: FileSource) => found.push([place, go?.module ?? c?.module]);
  for (const [index, line] of (apt?.sources ?? []).entries())
    found.push([`apt.sources[${index}]`, keyringOf(line)]);
  for (const [index, binary] of binaries.entries())
    for (const source of sourcesOf(binary)) ofSource(`binaries[${index}]`, source);
  for (const [index, image] of images.entries())
    for (const [path, content] of Object.entries(filesOf(image))) {
      ofSource(`images[${index}]: ${path}`, content);
      found.push([`images[${index}]: ${path}`, content.path]);
    }
  for (const [index, { path, values }] of charts.entries()) {
    found.push([`charts[${index}]`, path]);
    for (const file of values) found.push([`charts[${index}].values`, file]);
  }
  return found.filter((entry): entry is [string, string] => entry[1] !== undefined);
}

/** The folders of a chart and of the charts beside it that it depends on. */
export const chartFolders = (chart: Chart, directory: string): string[] => {
  if (chart.path === undefined) return [];
  const folders = new Set<string>();
  const add = (folder: string) => {
    if (folders.has(folder)) return;
    folders.add(folder);
    for (const dependency of localDependencies(folder)) add(resolve(folder, dependency));
  };
  add(resolve(directory, chart.path));
  return [...folders];
};

/** A key from the content of files and folders. */
export const keyOfFiles = (paths: readonly string[]): string =>
  contentKey(
    paths.map((path) => (statSync(path).isDirectory() ? contentKey([], path) : readFileSync(path, "base64"))),
  );

/**
 * A key for the bundle of a list: the same list, files that it refers to, and builder give the same key. What is not
 * pinned by them, such as which version Debian has of a package, is as it was when the bundle was first made.
 * @throws Error as {@link readSpecification}.
 */
export function bundleKey(file: string): string {
  const { specification, directory } = readSpecification(file);
  const files = referredFiles(specification).map(([, path]) => resolve(directory, path));
  const charts = specification.charts.flatMap((chart) => chartFolders(chart, directory));
  return contentKey([keyOfFiles([file, ...files, ...charts, loader]), goVersion], __dirname);
}
