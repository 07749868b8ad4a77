import * as pulumi from "@pulumi/pulumi";

/** What a stack has said of the site that it makes, or why it has not. */
export interface Asked {
  readonly stack: string;
  /** A peer as `mesh.peers` takes it. */
  readonly peer?: Readonly<Record<string, unknown>>;
  readonly missing?: string;
}

/**
 * Asks stacks on the same backend for their output `mesh`. The engine answers in previews as well.
 * @param mesh - The section `mesh` as the operator gave it, not checked yet.
 */
export async function askStacks(mesh: unknown): Promise<Asked[]> {
  const { stacks } = (mesh ?? {}) as { stacks?: unknown };
  const names = Array.isArray(stacks)
    ? stacks.filter((name): name is string => typeof name === "string")
    : [];
  return Promise.all(
    names.map(async (stack) => {
      try {
        const answer: { outputs?: Record<string, unknown> } = await pulumi.runtime.invoke(
          "pulumi:pulumi:readStackOutputs",
          { name: stack },
        );
        const peer = peerOf(answer.outputs?.mesh);
        return peer ? { stack, peer } : { stack, missing: "has no site of a mesh yet" };
      } catch (error) {
        // The engine's own words, of which it makes nothing else (pkg/backend/backend.go, GetStackOutputs).
        if (String(error).includes(`unknown stack "${stack}"`))
          return { stack, missing: "does not exist yet" };
        throw new pulumi.RunError(`mesh.stacks: ${stack} cannot be asked: ${(error as Error).message}`);
      }
    }),
  );
}

/** A peer from what a stack puts out; undefined where that is none. */
function peerOf(output: unknown): Asked["peer"] {
  const { site, zone, prefix, endpoint } = (output ?? {}) as Record<string, unknown>;
  if ([site, zone, prefix, endpoint].some((part) => typeof part !== "string")) return undefined;
  const [host, port] = String(endpoint).split(":");
  return { site, zone, prefix, endpoint: host, port: Number(port) };
}

/** The section `mesh` with what was asked among its peers; of its stacks those stay that were left out. */
export function withPeers(mesh: unknown, asked: readonly Asked[]): unknown {
  const found = asked.flatMap(({ peer }) => (peer ? [peer] : []));
  if (found.length === 0) return mesh;
  const { peers = [], ...rest } = mesh as { peers?: unknown[] };
  const stacks = asked.flatMap(({ stack, missing }) => (missing === undefined ? [] : [stack]));
  return { ...rest, stacks, peers: [...peers, ...found] };
}
