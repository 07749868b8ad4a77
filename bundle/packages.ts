import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { debianKeyring } from "../toolchain/debian";
import { filesOf, sourcesOf } from "./read";
import type { FileSource, Specification } from "./specification";

/** Debian packages that the builder uses, by the names that Debian and Ubuntu share, each with its use. */
export const builderPackages: Readonly<Record<string, string>> = {
  "apt-utils": "indexes the bundle's packages",
  curl: "downloads files",
  "debian-archive-keyring": "proves Debian's packages",
  gcc: "compiles what is C",
  gnupg: "signs the bundle's packages",
  "libc6-dev": "what C is compiled against",
  "libseccomp-dev": "what runc filters system calls with",
  maven: "fetches from Maven Central",
  mmdebstrap: "makes images of Debian packages",
  "pkg-config": "tells the compiler where libraries are",
  skopeo: "fetches images from registries",
};

/** What tells that a package is there: a program, or a file where it has none. */
const signs: Readonly<Record<string, string>> = {
  "apt-utils": "apt-ftparchive",
  "debian-archive-keyring": debianKeyring,
  gcc: "cc",
  gnupg: "gpg",
  "libc6-dev": "/usr/include/stdlib.h",
  "libseccomp-dev": "/usr/include/seccomp.h",
  maven: "mvn",
};

/**
 * Finds what a list needs that this machine does not have. Images that charts turn out to need are not known yet:
 * where charts are listed, skopeo is needed.
 * @returns names of packages.
 */
export function missingBuilderPackages({ apt, binaries, images, charts }: Specification): string[] {
  const sources: readonly FileSource[] = [
    ...binaries.flatMap(sourcesOf),
    ...images.flatMap((image) => Object.values(filesOf(image))),
  ];
  const fromRegistry = images.some((image) => !image.scratch && !image.debian);
  const filtering = sources.some(({ go }) => go?.tags.includes("seccomp"));
  const compiled = sources.some(({ go, c }) => c || go?.cgo);
  const needed: Record<string, boolean> = {
    "apt-utils": apt !== undefined,
    curl: sources.some(({ url }) => url),
    "debian-archive-keyring": apt !== undefined && !apt.sources,
    gcc: compiled,
    gnupg: apt !== undefined,
    "libc6-dev": compiled,
    "libseccomp-dev": filtering,
    maven: sources.some(({ maven }) => maven),
    mmdebstrap: images.some(({ debian }) => debian),
    "pkg-config": filtering,
    skopeo: fromRegistry || charts.length > 0,
  };
  return Object.keys(needed).filter((name) => needed[name] && !isThere(signs[name] ?? name));
}

function isThere(sign: string): boolean {
  if (sign.startsWith("/")) return existsSync(sign);
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, sign), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
