import { directoryOf, type InstallationPlan } from "../../artifact/installation/installation";
import type { ArtifactFile } from "../../artifact/manifest";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";
import type { Node } from "../node";

export const service = "elasticsearch";

/** Javas that Elasticsearch 6.8 runs on, the preferred one first, and how each collects garbage. */
const javas = [
  {
    version: 17,
    options: ["-XX:+UseG1GC", "-XX:G1ReservePercent=25", "-XX:InitiatingHeapOccupancyPercent=30"],
  },
  {
    version: 11,
    options: ["-XX:+UseG1GC", "-XX:G1ReservePercent=25", "-XX:InitiatingHeapOccupancyPercent=30"],
  },
  {
    version: 8,
    options: [
      "-XX:+UseConcMarkSweepGC",
      "-XX:CMSInitiatingOccupancyFraction=75",
      "-XX:+UseCMSInitiatingOccupancyOnly",
    ],
  },
] as const;

/** What Elasticsearch is made of. */
export interface ElasticsearchPlan {
  readonly version: string;
  readonly installation: InstallationPlan;
  /** Path of the Debian package that the programs are taken out of; empty where the medium is a zip. */
  readonly package: string;
  /** Folder with `lib` and `modules`. */
  readonly home: string;
  /** Path of the program. */
  readonly java: string;
  /** Options of that Java. */
  readonly javaOptions: readonly string[];
}

/**
 * Finds Elasticsearch in an artifact.
 * @throws Error naming what it lacks.
 */
export function planElasticsearch(artifact: ArtifactPlan): ElasticsearchPlan {
  const medium = findBinary(artifact, service);
  if (!medium) throw new Error("the artifact lacks the binary elasticsearch");
  const version = medium.version ?? "";
  if (!/^6\.8\.\d+$/.test(version))
    throw new Error(`the artifact has Elasticsearch ${version || "of no version"}; Wire works with 6.8`);
  const java = javas
    .map(({ version, options }) => ({ version, options, package: javaPackage(artifact, version) }))
    .find((candidate) => candidate.package);
  if (!java?.package)
    throw new Error(
      `the artifact lacks a package openjdk-N-jre-headless with N one of ${javas.map(({ version }) => version).join(", ")}: Elasticsearch runs on no other Java`,
    );
  const directory = directoryOf(service, medium);
  const isPackage = medium.path.endsWith(".deb");
  return {
    version,
    installation: {
      service,
      packages: [java.package, "nftables", ...(isPackage ? [] : ["unzip"])],
      units: [],
      files: [medium],
    },
    package: isPackage ? `${directory}/${baseName(medium)}` : "",
    home: isPackage ? `${directory}/usr/share/elasticsearch` : `${directory}/elasticsearch-${version}`,
    java: `/usr/lib/jvm/java-${java.version}-openjdk-amd64/bin/java`,
    javaOptions: java.options,
  };
}

const baseName = ({ path }: ArtifactFile) => path.slice(path.lastIndexOf("/") + 1);

const javaPackage = ({ served }: ArtifactPlan, version: number) =>
  served.find(({ kind, name }) => kind === "apt" && name === `openjdk-${version}-jre-headless`)?.name;

/**
 * Size of the Java heap in MiB: a twelfth of the machine, which four other services share, between what an empty
 * cluster runs in and the gibibyte that Wire gives it.
 */
export const heapMiB = ({ memoryGiB }: Pick<Node, "memoryGiB">): number =>
  Math.min(1024, Math.max(256, Math.floor((memoryGiB * 1024) / 12)));
