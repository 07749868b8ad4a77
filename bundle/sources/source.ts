import { readFileSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import type { DebianArchive } from "../debian/archive";
import { fileOfPackage } from "../debian/file";
import type { Binary, FileSource } from "../specification";
import { sumOf, writeTar } from "../tar";
import { recipe, type Workshop } from "../workshop";
import { fetchMaven } from "./maven";
import { buildC, buildGo } from "./program";
import { fetchUrl, withoutCredentials } from "./url";

/**
 * Makes or fetches a file. `title` is what a packed closure's folder is called. @returns its path.
 * @throws Error saying what was wrong with it.
 */
export async function obtain(
  source: FileSource,
  title: string,
  workshop: Workshop,
  archive: DebianArchive | undefined,
): Promise<string> {
  const { go, c, maven, url, deb, sha256 } = source;
  if (url && sha256) return fetchUrl(url, sha256, workshop);
  const made = () => {
    if (go) return buildGo(go, workshop);
    if (c) return buildC(c, workshop);
    if (maven) return fetchMaven(maven, title, workshop);
    if (deb && archive) return fileOfPackage(deb, workshop, archive);
    throw new Error("it has no source");
  };
  const file = await made();
  const found = sha256 && (await sumOf(file)).sha256;
  if (found !== sha256) throw new Error(`has checksum ${found}, expected ${sha256}`);
  return file;
}

/** Packs programs into a tar.gz, each at its path there. @returns its path. */
export async function packPrograms(files: ReadonlyMap<string, string>, workshop: Workshop): Promise<string> {
  const sums = await Promise.all([...files].map(async ([path, file]) => [path, (await sumOf(file)).sha256]));
  const directory = await workshop.part(["packed", sums.sort(), recipe(__filename)], async (directory) => {
    const entries = [...files].map(([path, file]) => ({ path, content: { file }, mode: 0o755 }));
    await writeTar(join(directory, "file.tar.gz"), entries);
  });
  return join(directory, "file.tar.gz");
}

/** Where a file comes from, in words: a URL, a Go package, Maven coordinates, a file of a Debian package. */
export function originOf(
  { go, c, maven, url, deb, archive = {} }: FileSource & Pick<Binary, "archive">,
  directory: string,
): string {
  const packed = Object.values(archive).map((source) => originOf(source, directory));
  if (packed.length > 0) return packed.join(", ");
  if (go) {
    if (!/^\.\.?(\/|$)/.test(go.package)) return go.package;
    const module = /^module\s+(\S+)/m.exec(
      readFileSync(resolve(directory, go.module, "go.mod"), "utf8"),
    )?.[1];
    return posix.join(module ?? go.module, go.package);
  }
  if (c) return join(c.of, c.file);
  if (url) return withoutCredentials(url);
  return maven?.coordinates ?? deb ?? "";
}
