import { directoryOf, type InstallationPlan } from "../../artifact/installation/installation";
import type { ArtifactFile } from "../../artifact/manifest";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";
import type { Node } from "../node";

/** What differs between the versions of Cassandra. */
export interface Edition {
  /** Major and minor version that it begins with. */
  readonly since: string;
  /** Debian package of its Java, and where that lies. */
  readonly java: { readonly package: string; readonly home: string; readonly version: 8 | 17 };
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
  /** Whether it reads the Ed25519 certificates of the stack's authority; Java 8 does not. */
  readonly tls: boolean;
}

const java8 = {
  package: "openjdk-8-jre-headless",
  home: "/usr/lib/jvm/java-8-openjdk-amd64",
  version: 8,
} as const;
const java17 = {
  package: "openjdk-17-jre-headless",
  home: "/usr/lib/jvm/java-17-openjdk-amd64",
  version: 17,
} as const;

const editions: readonly Edition[] = [
  {
    since: "3.11",
    java: java8,
    tokens: 256,
    evenly: false,
    units: "names",
    jamm: "jamm-0.3.0.jar",
    tls: false,
  },
  {
    since: "5.0",
    java: java17,
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
      `the artifact has Cassandra ${version}; known are ${editions.map(({ since }) => since).join(" and ")}`,
    );
  const packages = [edition.java.package, "nftables", "openssl"];
  if (!artifact.served.some(({ kind, name }) => kind === "apt" && name === edition.java.package))
    throw new Error(`Cassandra ${version} needs ${edition.java.package}, which the artifact does not have`);
  const installation = { service: "cassandra", packages, units: [], files: [file] };
  return {
    version,
    edition,
    installation,
    libraries: `${directoryOf("cassandra", file)}/${treeOf(file)}/lib`,
  };
}

/** Why clients cannot reach this Cassandra by TLS; undefined if they can. */
export const tlsRefusal = ({ version, edition }: CassandraPlan): string | undefined =>
  edition.tls
    ? undefined
    : `Cassandra ${version} of the artifact runs on Java ${edition.java.version}, which knows no Ed25519 certificates: set it to false`;

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
