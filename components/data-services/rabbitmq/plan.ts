import { type InstallationPlan, programOf } from "../../artifact/installation/installation";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";
import type { Node } from "../node";

/**
 * Series of RabbitMQ that this room knows, each with the one that it can be upgraded from in rolling order. 4.x is not
 * among them: it has no mirrored classic queues.
 */
export const predecessors: Readonly<Record<string, string>> = {
  "3.9": "3.8",
  "3.10": "3.9",
  "3.11": "3.10",
  "3.12": "3.11",
  "3.13": "3.12",
};

/** What RabbitMQ on a node is made of. */
export interface RabbitMqPlan {
  readonly installation: InstallationPlan;
  /** Path of `wiab` on a node. */
  readonly program: string;
  /** Of the Debian package. */
  readonly version: string;
  /** Series that may be upgraded to this version, such as `3.9`. */
  readonly upgradesFrom: string;
}

/**
 * Finds RabbitMQ in an artifact.
 * @throws Error naming what it lacks.
 */
export function planRabbitMq(artifact: ArtifactPlan): RabbitMqPlan {
  const file = artifact.served.find(({ kind, name }) => kind === "apt" && name === "rabbitmq-server");
  if (!file?.version)
    throw new Error("the artifact lacks the Debian package rabbitmq-server: no message broker without it");
  const series = /^(?:\d+:)?(\d+\.\d+)\./.exec(file.version)?.[1] ?? file.version;
  const upgradesFrom = predecessors[series];
  if (!upgradesFrom)
    throw new Error(
      `the artifact has RabbitMQ ${file.version}; this program knows ${Object.keys(predecessors).join(", ")}`,
    );
  const program = findBinary(artifact, "wiab");
  if (!program)
    throw new Error(
      "the artifact lacks the binary wiab, which looks after RabbitMQ: build the bundle that stands beside Wire's artifact anew (docs/artifact.md)",
    );
  const service = "rabbitmq";
  return {
    installation: {
      service,
      packages: ["nftables", "rabbitmq-server"],
      units: ["rabbitmq-server", "epmd*"],
      files: [program],
    },
    program: programOf(service, program),
    version: file.version,
    upgradesFrom,
  };
}

/** Memory of a broker, in MiB. */
export interface MemoryPlan {
  /** Publishers are held up when it takes more. */
  readonly watermark: number;
  /** The write-ahead log of all quorum queues together, which is kept in memory as well until it is full. */
  readonly log: number;
}

/** A tenth of a machine that four other services share, and what a broker needs at least: it takes 110 MiB idle. */
export function planMemory({ memoryGiB }: Pick<Node, "memoryGiB">): MemoryPlan {
  const watermark = Math.max(256, Math.floor(memoryGiB * 102.4));
  return { watermark, log: Math.floor(watermark / 8) };
}
