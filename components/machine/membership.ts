import type * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptRun } from "./script";
import type { Target } from "./target";

/** A node as its cluster's list has it. */
interface Listed {
  readonly name: string;
  /** It gives what it has to the others, and in a later run it will not be there any more. */
  readonly retiring: boolean;
}

/** Clusters whose nodes keep a list of one another. */
const clusters = {
  "data-services": {
    LIST: "/etc/wiab/data-nodes",
    CLUSTER: "the data services",
    SHARE: "its share of the data",
  },
  kubernetes: {
    LIST: "/etc/wiab/kubernetes-nodes",
    CLUSTER: "Kubernetes",
    SHARE: "its vote in etcd, and pods",
  },
} as const;

/** What a list of nodes is about. */
export type ClusterName = keyof typeof clusters;

/** The parameters of membership.sh. */
export const membershipParameters = <M>(cluster: ClusterName, nodes: readonly Listed[], moment: M) => ({
  ...clusters[cluster],
  NODES: nodes.map(({ name, retiring }) => `${name} ${retiring ? "yes" : "no"}`).join("\n"),
  MOMENT: moment,
});

/**
 * Before: compares the nodes with those that the node has known, and refuses when one is gone that has not retired. The
 * engine deletes what is gone after it has updated all else: a refusal there would come when the others have left the
 * node alone already. After: those that were to retire have done so and may go.
 */
export const keepMembership = (
  name: string,
  cluster: ClusterName,
  target: Target,
  nodes: readonly Listed[],
  moment: pulumi.Input<"before" | "after">,
  options: pulumi.CustomResourceOptions,
): ScriptRun =>
  runScript(
    name,
    {
      target,
      script: loadScript(__dirname, "membership.sh"),
      parameters: membershipParameters(cluster, nodes, moment),
    },
    options,
  );
