import type { ArtifactManifest } from "../components/artifact/manifest";

/**
 * What Wire asks aptly for, in its script mirror-apt-jammy.sh.
 * @throws Error if it has no list that can be read.
 */
export function askedPackages(script: string): string[] {
  const list = /^packages=\(\n([^)]*?)^\)/m.exec(script)?.[1];
  const names = (list ?? "")
    .split("\n")
    .flatMap((line) => line.replace(/#.*/, "").split(/\s+/).filter(Boolean));
  if (names.length === 0) throw new Error("the script has no list `packages=(…)`, one name a line");
  return [...new Set(names)].sort();
}

/** Packages from Docker's repository, in the same script. */
export const dockerPackages = (script: string): string[] =>
  (/^docker_packages="(.*)"$/m.exec(script)?.[1] ?? "")
    .split("|")
    .flatMap((term) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(term)?.[1] ?? [])
    .sort();

/** Files and versions of Wire's programs. */
export interface Binaries {
  readonly files: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * What Wire fetches into `binaries`, in its wire-binaries.nix.
 * @throws Error if an address has a variable that the file does not define.
 */
export function fetchedBinaries(nix: string): Binaries {
  const values = new Map([...nix.matchAll(/^\s*(\w+) = "([^"$]*)";/gm)].map((match) => [match[1], match[2]]));
  const files = [...nix.matchAll(/^\s*url = "([^"]+)";/gm)].map(([, url = ""]) =>
    url
      .replace(/\$\{\s*(\w+)\s*\}/g, (_, name: string) => {
        const value = values.get(name);
        if (value === undefined) throw new Error(`${url}: ${name} is not defined`);
        return value;
      })
      .replace(/^.*\//, ""),
  );
  if (files.length === 0) throw new Error("the file has no address of a program");
  const versions = [...values].flatMap(([name = "", value = ""]) =>
    name.endsWith("_version") ? [[name.slice(0, -"_version".length), value] as const] : [],
  );
  return { files: files.sort(), versions: Object.fromEntries(versions.sort()) };
}

/** What an artifact of Wire's has, from its manifest. */
export const inArtifact = ({ files }: ArtifactManifest) => ({
  packages: [
    ...new Set(files.flatMap(({ kind, name }) => (kind === "apt" && name !== undefined ? [name] : []))),
  ].sort(),
  binaries: files
    .flatMap(({ kind, path }) => (kind === "binary" ? [path.slice("binaries/".length)] : []))
    .sort(),
});

/** Names of packages in the manifest of a cloud image, which has one a line with its version. */
export const inImage = (manifest: string): ReadonlySet<string> =>
  new Set(manifest.split("\n").flatMap((line) => /^([^\s:]+)(?::\w+)?\t/.exec(line)?.[1] ?? []));
