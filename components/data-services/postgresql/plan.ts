import { directoryOf, type InstallationPlan } from "../../artifact/installation/installation";
import type { ArtifactFile } from "../../artifact/manifest";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";

export const service = "postgresql";

/** Releases of PostgreSQL that this room has rules for; before 13, pg_rewind and repmgr want other ones. */
const majors = [17, 16, 15, 14, 13] as const;

/** A Debian package, and how apt is told to install just that version. */
export interface PackagePlan {
  readonly name: string;
  readonly version: string;
  /** `name=version`, or the path of a file. */
  readonly source: string;
}

/** What PostgreSQL is made of. */
export interface PostgresqlPlan {
  readonly major: number;
  readonly version: string;
  readonly packages: readonly PackagePlan[];
  readonly installation: InstallationPlan;
  /** Path of the exporter of metrics; undefined if the artifact has none. */
  readonly exporter: string | undefined;
}

/** Of the packages that come as files, those that are installed in the same go, since apt knows them from nowhere else. */
const alongside = [
  "libpq5",
  "postgresql-common",
  "postgresql-client-common",
  "postgresql-common-dev",
  "repmgr-common",
  "repmgr",
];

/**
 * Finds PostgreSQL and repmgr in an artifact: in its apt repository, or as package files among its binaries.
 * @throws Error naming what it lacks.
 */
export function planPostgresql(artifact: ArtifactPlan): PostgresqlPlan {
  const find = (name: string) =>
    artifact.served.find((file) => file.name === name && (file.kind === "apt" || isPackageFile(file)));
  const major = majors.find((number) => find(`postgresql-${number}`));
  if (!major) throw new Error(`the artifact lacks a package postgresql-N with N one of ${majors.join(", ")}`);
  const names = [`postgresql-${major}`, `postgresql-client-${major}`, `postgresql-${major}-repmgr`];
  const found = names.map((name) => {
    const file = find(name);
    if (!file) throw new Error(`the artifact has postgresql-${major} and lacks the package ${name}`);
    return file;
  });
  const loose = alongside.flatMap((name) => {
    const file = found.some(isPackageFile) ? find(name) : undefined;
    return file && isPackageFile(file) ? [file] : [];
  });
  const packages = [...found, ...loose].map((file) => ({
    name: file.name ?? "",
    version: file.version ?? "",
    source: isPackageFile(file)
      ? `${directoryOf(service, file)}/${baseName(file.path)}`
      : `${file.name}=${file.version}`,
  }));
  const exporter = findBinary(artifact, "postgres-exporter");
  return {
    major,
    version: packages[0]?.version ?? "",
    packages,
    installation: {
      service,
      packages: found.flatMap((file) => (isPackageFile(file) ? [] : [file.name ?? ""])),
      units: ["postgresql*", "repmgrd"],
      files: [...[...found, ...loose].filter(isPackageFile), ...(exporter ? [exporter] : [])],
    },
    exporter: exporter && `${directoryOf(service, exporter)}/${programIn(exporter)}`,
  };
}

const isPackageFile = ({ kind, path }: ArtifactFile) => kind === "binary" && path.endsWith(".deb");
const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** An archive of the exporter has a folder of its own name in it. */
function programIn({ path }: ArtifactFile): string {
  const archive = /([^/]+)\.(tar\.gz|tgz)$/.exec(path);
  return archive ? `${archive[1]}/postgres_exporter` : baseName(path);
}

/** Sizes of PostgreSQL's memory, in MiB. All five services share the machine. */
export const planMemory = (memoryGiB: number) => {
  const sharedBuffers = Math.min(Math.max(Math.floor((memoryGiB * 1024) / 24), 64), 2048);
  return { sharedBuffers, cacheSize: 3 * sharedBuffers, maintenance: Math.max(sharedBuffers / 4, 32) };
};
