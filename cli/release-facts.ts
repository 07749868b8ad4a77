import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { projectDirectory } from "../toolchain/environment";

/** Facts of Wire's releases lie there, a folder for each, and those of Ubuntu 22.04 beside them. */
export const releasesDirectory = join(projectDirectory, "releases");

/** Debian packages that an artifact of a release has (packages.yaml). */
export interface PackageFacts {
  readonly apt: {
    readonly source: string;
    /** What Wire asks for; what that depends on comes too. */
    readonly asked: readonly string[];
    readonly docker: readonly string[];
    /** Packages that are known to come because of another. */
    readonly brought: Readonly<Record<string, string>>;
    /** Everything, where an artifact has been looked at. @default only the above is known */
    readonly closure?: readonly string[];
  };
}

/** Programs that an artifact of a release has (binaries.yaml). */
export interface BinaryFacts {
  readonly source: string;
  /** Names of files. */
  readonly files: readonly string[];
  /** As versions/wire-binaries.json has them. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What machines have before anything is installed (jammy.yaml). */
export interface SystemFacts {
  readonly cloudImage: { readonly packages: readonly string[] };
  /** Commands by the package that has them. */
  readonly commands: Readonly<Record<string, readonly string[]>>;
}

const read = (...path: string[]) => parse(readFileSync(join(releasesDirectory, ...path), "utf8"));

/** Releases of Wire whose packages and programs are known, the oldest first. */
export const knownReleases = (): string[] =>
  readdirSync(releasesDirectory)
    .filter((name) => existsSync(join(releasesDirectory, name, "packages.yaml")))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));

export const packageFacts = (release: string): PackageFacts => read(release, "packages.yaml");
export const binaryFacts = (release: string): BinaryFacts => read(release, "binaries.yaml");
export const systemFacts = (): SystemFacts => read("jammy.yaml");

/** The packages that machines can have: from the artifact of a release, and from the bundle beside it. */
export function installable(release: string): ReadonlySet<string> {
  const { asked, docker, brought, closure = [] } = packageFacts(release).apt;
  const bundle: { apt: { packages: string[] } } = parse(
    readFileSync(join(projectDirectory, "bundle/asset-host-jammy.yaml"), "utf8"),
  );
  return new Set([...asked, ...docker, ...Object.keys(brought), ...closure, ...bundle.apt.packages]);
}
