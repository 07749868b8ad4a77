import { directoryOf, type InstallationPlan } from "../../artifact/installation/installation";
import type { ArtifactFile } from "../../artifact/manifest";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";
import type { Node } from "../node";

/** A Java as Debian packages it, and where that lies. */
export interface Java {
  readonly package: string;
  readonly home: string;
  readonly version: 8 | 11 | 17;
}

/** What differs between the versions of Cassandra. */
export interface Edition {
  /** Major and minor version that it begins with. */
  readonly since: string;
  /** Javas that it runs on, the preferred one first. */
  readonly javas: readonly Java[];
  /**
   * Tokens of a node in a new ring, and whether they are dealt out evenly: 16 do then what 256 random ones did. A ring
   * keeps what it was founded with.
   */
  readonly tokens: number;
  readonly evenly: boolean;
  /** Spelling of durations and sizes in cassandra.yaml: `name_in_ms: 1`, or `name: 1ms`. */
  readonly units: "names" | "values";
  /** The agent that measures objects, below `lib`. */
  readonly jamm: string;
  /** Whether it reads the Ed25519 certificates of the stack's authority; Java does since 15. */
  readonly tls: boolean;
}

const java = (version: Java["version"]): Java => ({
  package: `openjdk-${version}-jre-headless`,
  home: `/usr/lib/jvm/java-${version}-openjdk-amd64`,
  version,
});

const editions: readonly Edition[] = [
  {
    since: "3.11",
    javas: [java(8)],
    tokens: 256,
    evenly: false,
    units: "names",
    jamm: "jamm-0.3.0.jar",
    tls: false,
  },
  {
    since: "4.1",
    javas: [java(11), java(8)],
    tokens: 16,
    evenly: true,
    units: "values",
    jamm: "jamm-0.3.2.jar",
    tls: false,
  },
  {
    since: "5.0",
    javas: [java(17)],
    tokens: 16,
    evenly: true,
    units: "values",
    jamm: "jamm-0.4.0.jar",
    tls: true,
  },
];

/** Cassandra of an artifact. */
export interface CassandraPlan {
  /** For example `3.11.19`. */
  readonly version: string;
  readonly edition: Edition;
  readonly java: Java;
  readonly installation: InstallationPlan;
  /** Where its jars lie on a node. */
  readonly libraries: string;
}

/**
 * Finds Cassandra in the artifact.
 * @throws Error that says what the artifact lacks.
 */
export function planCassandra(artifact: ArtifactPlan): CassandraPlan {
  const file = findBinary(artifact, "cassandra");
  if (!file?.version)
    throw new Error(
      "the artifact has no Cassandra: apache-cassandra-<version>-bin.tar.gz among its binaries is missing",
    );
  const { version } = file;
  const edition = editions.find(({ since }) => version.startsWith(`${since}.`));
  if (!edition)
    throw new Error(
      `the artifact has Cassandra ${version}; known are ${editions.map(({ since }) => since).join(", ")}`,
    );
  const served = (name: string) =>
    artifact.served.some((other) => other.kind === "apt" && other.name === name);
  const found = edition.javas.find((candidate) => served(candidate.package));
  if (!found)
    throw new Error(
      `Cassandra ${version} needs ${edition.javas.map((candidate) => candidate.package).join(" or ")}, which the artifact does not have`,
    );
  const packages = [found.package, "nftables", "openssl"];
  const installation = { service: "cassandra", packages, units: [], files: [file] };
  return {
    version,
    edition,
    java: found,
    installation,
    libraries: `${directoryOf("cassandra", file)}/${treeOf(file)}/lib`,
  };
}

/** Why clients cannot reach this Cassandra by TLS; undefined if they can. */
export const tlsRefusal = ({
  version,
  edition,
  java: { version: number },
}: CassandraPlan): string | undefined =>
  edition.tls
    ? undefined
    : `Cassandra ${version} of the artifact runs on Java ${number}, which knows no Ed25519 certificates: set it to false`;

/** The folder in the archive. */
const treeOf = ({ path }: ArtifactFile): string => path.replace(/^.*\//, "").replace(/(-bin)?\.tar\.gz$/, "");

/** Memory of a node, in MiB, as Cassandra shares it out. */
export interface Sizes {
  readonly heap: number;
  /** Memtables, on the heap and beside it. */
  readonly memtables: number;
  /** Buffers for pieces of files, and those for the network. */
  readonly fileCache: number;
  readonly networkCache: number;
  /** What the JVM may take for buffers in all. */
  readonly direct: number;
  /** Log of writes on disk. */
  readonly commitLog: number;
  readonly segment: number;
  readonly readers: number;
  readonly writers: number;
  readonly compactors: number;
  /** A JVM that compiles little and collects with one thread: where memory and processors are few. */
  readonly frugal: boolean;
}

/**
 * Sizes for a machine. From 4 GiB the heap is what Cassandra itself would take, a quarter up to 8 GiB: 3 GiB of
 * staging's 12. Below that it would take half, and four other services share the machine: a sixth then.
 * @param heapMiB - In place of the heap that follows from the memory.
 */
export function planSizes({ memoryGiB, vcpus }: Pick<Node, "memoryGiB" | "vcpus">, heapMiB?: number): Sizes {
  const memory = memoryGiB * 1024;
  const frugal = memoryGiB < 4;
  const heap = heapMiB ?? Math.round(frugal ? Math.max(256, memory / 6) : Math.min(8192, memory / 4));
  return {
    heap,
    memtables: Math.round(heap / (frugal ? 8 : 4)),
    fileCache: frugal ? 32 : Math.min(512, Math.round(heap / 4)),
    networkCache: frugal ? 16 : 128,
    direct: frugal ? 128 : Math.round(heap / 2),
    commitLog: frugal ? 256 : 4096,
    segment: frugal ? 8 : 32,
    readers: frugal ? 8 : 32,
    writers: frugal ? 8 : 8 * vcpus,
    compactors: frugal ? 1 : 2,
    frugal,
  };
}
