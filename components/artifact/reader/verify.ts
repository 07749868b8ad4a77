import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactFile, ArtifactManifest } from "../manifest";
import { manifestName } from "./bundle";
import type { ReadOptions } from "./read";
import { type ArchiveStream, isUrl, openArchive } from "./source";
import { type FileSum, type Problem, Tree } from "./tar";
import { plainPath, scanWireArchive } from "./wire";

/** Something that is not as the manifest says. */
export interface Finding extends Problem {
  /** The file that was looked at: an archive, or another file beside it. */
  readonly archive: string;
  /** Path in it; empty if the finding is about the whole. */
  readonly path: string;
  readonly remedy: string;
}

const checksums = "SHA256SUMS";
const copyAgain = "copy it again from where it was built or published";
const another =
  "if a new copy is the same, manifest and archive belong to different builds: take both from one";

/**
 * Compares an artifact with a manifest, byte for byte, by reading every archive once.
 * @param location as for `readArtifact`.
 * @returns everything that is truncated, altered, missing or too much; nothing if all is as it should be.
 */
export async function verifyArtifact(
  location: string,
  manifest: ArtifactManifest,
  { onProgress }: ReadOptions = {},
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const sums = new Map<string, FileSum>();
  for (const { name } of manifest.archives) {
    const path = manifest.layout === "wire" ? location : join(location, name);
    if (manifest.layout === "bundle" && !existsSync(path)) {
      findings.push({ archive: name, path: "", problem: "is missing", remedy: copyAgain });
      continue;
    }
    const archive = openArchive(path, onProgress);
    const { whole, findings: inside } = await compareFiles(archive, name, manifest);
    findings.push(...inside);
    // Reading stopped at the damage; whether the rest has arrived is worth a second look at a file, not a download.
    if (whole) sums.set(name, archive.checksum());
    else if (!isUrl(path)) sums.set(name, await sumOf(path));
  }
  for (const { name, sha256, size } of manifest.archives) {
    const sum = sums.get(name);
    if (sum) findings.push(...compare({ archive: name, path: "" }, { sha256, size }, sum));
  }
  if (manifest.layout === "bundle") findings.push(...(await compareFolder(location, manifest, sums)));
  return findings;
}

function compare(where: Pick<Finding, "archive" | "path">, expected: FileSum, found: FileSum): Finding[] {
  if (!where.path && found.size < expected.size)
    return [
      { ...where, problem: `is truncated: ${found.size} of ${expected.size} bytes`, remedy: copyAgain },
    ];
  if (found.sha256 === expected.sha256 && found.size === expected.size) return [];
  const say = ({ size, sha256 }: FileSum) => `${size} bytes with checksum ${sha256}`;
  return [
    {
      ...where,
      problem: `is altered: it has ${say(found)}, the manifest says ${say(expected)}`,
      remedy: `${copyAgain}; ${another}`,
    },
  ];
}

/** Streams an archive and compares the files in it. */
async function compareFiles(
  archive: ArchiveStream,
  name: string,
  manifest: ArtifactManifest,
): Promise<{ whole: boolean; findings: Finding[] }> {
  const tree = new Tree();
  const findings: Finding[] = [];
  let whole = true;
  try {
    const visit = async () => {};
    if (manifest.layout === "wire") await scanWireArchive(archive, visit, tree);
    else await tree.read(archive.bytes, visit);
  } catch (error) {
    whole = false;
    findings.push({
      archive: name,
      path: tree.current,
      problem: `cannot be read any further: ${(error as Error).message}`,
      remedy: copyAgain,
    });
  }
  const broken = new Map(tree.resolveLinks().map(({ path, problem }) => [plainPath(path), problem]));
  const found = new Map([...tree.files].map(([path, sum]) => [plainPath(path), sum]));
  const expected = manifest.files.filter((file) => file.archive === name);
  for (const file of expected) {
    const sum = found.get(file.path);
    if (sum) findings.push(...compare({ archive: name, path: file.path }, file, sum));
    else if (whole) findings.push(missing(name, file, broken.get(file.path)));
  }
  const known = new Set(expected.map(({ path }) => path));
  for (const path of found.keys())
    if (!known.has(path))
      findings.push({
        archive: name,
        path,
        problem: "is not in the manifest",
        remedy: `it was added after the build: ${copyAgain}; ${another}`,
      });
  return { whole, findings };
}

const missing = (archive: string, { path }: ArtifactFile, problem = "is missing"): Finding => ({
  archive,
  path,
  problem,
  remedy: `it was left out or taken away after the build: ${copyAgain}; ${another}`,
});

/** Looks at what lies beside the archives of a bundle: its list of checksums, and files that do not belong there. */
async function compareFolder(
  folder: string,
  manifest: ArtifactManifest,
  sums: Map<string, FileSum>,
): Promise<Finding[]> {
  const list = join(folder, checksums);
  if (!existsSync(list)) return [{ archive: checksums, path: "", problem: "is missing", remedy: copyAgain }];
  const findings: Finding[] = [];
  const listed = new Map<string, string>();
  for (const line of readFileSync(list, "utf8").split("\n")) {
    const [, sha256, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    if (sha256 && name) listed.set(name, sha256);
  }
  const expected = new Set([...listed.keys(), ...manifest.archives.map(({ name }) => name)]);
  for (const [name, sha256] of listed) {
    const path = join(folder, name);
    const where = { archive: name, path: "" };
    if (!existsSync(path)) {
      if (!manifest.archives.some((archive) => archive.name === name))
        findings.push({ ...where, problem: "is missing", remedy: copyAgain });
      continue;
    }
    const found = sums.get(name)?.sha256 ?? (await sumOf(path)).sha256;
    if (found !== sha256)
      findings.push({
        ...where,
        problem: `is altered: its checksum is ${found}, ${checksums} says ${sha256}`,
        remedy: copyAgain,
      });
  }
  for (const name of readdirSync(folder)) {
    // A signature lies beside what it signs, under the same name with an ending.
    const signs = [checksums, manifestName].some(
      (signed) => name === signed || name.startsWith(`${signed}.`),
    );
    if (!signs && !expected.has(name))
      findings.push({
        archive: name,
        path: "",
        problem: "does not belong to the bundle",
        remedy: "take it away, or find out who put it there",
      });
  }
  return findings;
}

async function sumOf(path: string): Promise<FileSum> {
  const file = openArchive(path);
  for await (const _ of file.bytes);
  return file.checksum();
}
