import type * as pulumi from "@pulumi/pulumi";
import type { AssetHost } from "../artifact/asset-host/asset-host";
import type { ArtifactPlan } from "../artifact/plan";
import type { Target } from "../machine/target";
import type { Secrets } from "../secrets/secrets";

/** What a service may know of a machine that carries it. */
export interface Node {
  readonly name: string;
  readonly address: string;
  readonly memoryGiB: number;
  readonly vcpus: number;
  /** It gives its data to the others, and in a later run it will not be there any more. */
  readonly retiring: boolean;
  /** What fails together with others of the same zone. @default nothing is known of it */
  readonly zone?: string;
}

/** A machine of the data services that has its supplies. */
export interface DataNode extends Node {
  readonly target: Target;
}

/** What every data service is made of; each adds settings of its own. */
export interface DataServiceArgs {
  /** In the order of the configuration: the first one founds a cluster. */
  readonly nodes: readonly DataNode[];
  /** Addresses of the clients' machines. Besides them only the nodes may connect. */
  readonly clients: readonly string[];
  readonly artifact: ArtifactPlan;
  readonly assetHost: Pick<AssetHost, "url">;
  readonly secrets: Secrets;
  /** Whether clients have to use TLS. */
  readonly tls: boolean;
}

/** How clients reach a service; what more they need to know is in the service's own type. */
export interface Connection {
  /** Addresses of the nodes, known once the service is healthy. */
  readonly addresses: pulumi.Output<readonly string[]>;
  readonly port: number;
  /** Certificate of the authority that has signed the servers', in PEM; undefined where there is no TLS. */
  readonly authority: pulumi.Output<string> | undefined;
}

/**
 * The nodes that stay, of which there is at least one.
 * @throws Error if all of them retire.
 */
export function stayingOf(nodes: readonly DataNode[]): readonly [DataNode, ...DataNode[]] {
  const [first, ...others] = nodes.filter(({ retiring }) => !retiring);
  if (!first) throw new Error("a data service needs a node that does not retire");
  return [first, ...others];
}

/** The order of turns where new nodes have to be there to take the data of those that leave. */
export const leaversLast = (nodes: readonly DataNode[]): readonly DataNode[] => [
  ...stayingOf(nodes),
  ...nodes.filter(({ retiring }) => retiring),
];
