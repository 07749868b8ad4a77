import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { run } from "../../toolchain/commands";
import { architecture } from "../../toolchain/pins";
import { recipe, type Workshop } from "../workshop";
import type { Deb, DebianArchive } from "./archive";
import { gpg, signingTime } from "./key";

/** The one component that a repository has. */
export const component = "main";

/** Sums of MD5 and SHA-1 prove nothing any more, and two of SHA-2 no more than one. */
const sumsOfSha256 = ["MD5", "SHA1", "SHA512"].flatMap((name) => ["-o", `APT::FTPArchive::${name}=false`]);

/** A package in a repository, with its path there. */
export type PooledDeb = Omit<Deb, "file"> & { readonly path: string };

/** Where Debian's own archive would have a package's file: by its first letter, without the version's epoch. */
export function poolPath({ name, file }: Pick<Deb, "name" | "file">): string {
  const letter = /^(lib.|.)/.exec(name)?.[0] ?? "";
  return join("pool", component, letter, name, fileName({ file }));
}

/** A percent sign in a path would be taken for an encoding by some servers and for itself by others. */
const fileName = ({ file }: Pick<Deb, "file">): string => basename(file).replace(/_\d+%3a/i, "_");

const loose = "files";

/** Paths of the packages that a folder of {@link makeRepository} has beside the repository. */
export const looseFiles = (repository: string): string[] =>
  readdirSync(join(repository, loose)).map((name) => join(repository, loose, name));

/** The index that apt installs from: one paragraph a package, sorted. */
export async function writePackages(folder: string, target: string): Promise<void> {
  const index = await run("apt-ftparchive", [...sumsOfSha256, "packages", "."], { cwd: folder });
  const paragraphs = index.replace(/^Filename: \.\//gm, "Filename: ").split(/\n\n+/);
  writeFileSync(
    target,
    `${paragraphs
      .map((text) => text.trim())
      .filter(Boolean)
      .sort()
      .join("\n\n")}\n`,
  );
}

/**
 * Gives a folder with `pool/` and `dists/`, in which nothing is signed yet, and `packages.json`.
 * @param files packages that come with what they depend on, and lie in {@link looseFiles} themselves.
 * @throws CommandError with what apt says.
 */
export function makeRepository(
  packages: readonly string[],
  archive: DebianArchive,
  workshop: Workshop,
  files: readonly string[] = [],
): Promise<string> {
  const words = [
    "repository",
    [...packages].sort(),
    archive.words,
    architecture.go,
    recipe(__filename),
    ...(files.length > 0 ? [[...files].sort()] : []),
  ];
  return workshop.part(
    words,
    async (directory) => {
      const closure = await archive.closure([...packages, ...files]);
      mkdirSync(join(directory, loose));
      for (const { file } of closure.filter(({ name }) => files.includes(name)))
        linkSync(file, join(directory, loose, fileName({ file })));
      const pooled = closure
        .filter(({ name }) => !files.includes(name))
        .map(({ name, version, url, file }) => {
          const path = poolPath({ name, file });
          mkdirSync(join(directory, "public", dirname(path)), { recursive: true });
          linkSync(file, join(directory, "public", path));
          return { name, version, url, path } satisfies PooledDeb;
        });
      const root = join(directory, "public");
      const index = join(root, "dists", archive.suite, component, `binary-${architecture.go}`, "Packages");
      mkdirSync(dirname(index), { recursive: true });
      await writePackages(root, index);
      writeFileSync(`${index}.gz`, gzipSync(readFileSync(index), { level: 9 }));
      const fields = {
        Origin: "Wire in a Box Staging",
        Label: "Wire in a Box Staging",
        Suite: archive.suite,
        Codename: archive.suite,
        Architectures: architecture.go,
        Components: component,
        Date: signingTime.apt,
      };
      const options = Object.entries(fields).flatMap(([name, value]) => [
        "-o",
        `APT::FTPArchive::Release::${name}=${value}`,
      ]);
      const dist = join(root, "dists", archive.suite);
      const release = await run("apt-ftparchive", [...sumsOfSha256, ...options, "release", "."], {
        cwd: dist,
      });
      writeFileSync(join(dist, "Release"), `${release}\n`);
      writeFileSync(join(directory, "packages.json"), JSON.stringify(pooled));
    },
    { pinned: false },
  );
}

/** The packages of a folder that {@link makeRepository} has given. */
export const packagesOf = (repository: string): PooledDeb[] =>
  JSON.parse(readFileSync(join(repository, "packages.json"), "utf8"));

/** Signs a repository's Release. @returns the files that come into it, by their path. */
export async function sign(repository: string, suite: string, key: string): Promise<Map<string, Buffer>> {
  const release = join(repository, "public", "dists", suite, "Release");
  const signature = ["--digest-algo", "SHA512", "--output", "-"];
  const signed = await gpg(key, [...signature, "--clearsign", release]);
  const detached = await gpg(key, [...signature, "--armor", "--detach-sign", release]);
  const publicKey = await gpg(key, ["--armor", "--export"]);
  return new Map(
    Object.entries({
      [join("dists", suite, "InRelease")]: signed,
      [join("dists", suite, "Release.gpg")]: detached,
      gpg: publicKey,
    }).map(([path, text]) => [path, Buffer.from(`${text}\n`)]),
  );
}
