import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptRun } from "../../remote/script";
import type { DataNode, Node } from "../node";

/** The parameters of membership.sh. */
export const membershipParameters = (nodes: readonly Node[], moment: "before" | "after") => ({
  NODES: nodes.map(({ name, retiring }) => `${name} ${retiring ? "yes" : "no"}`).join("\n"),
  MOMENT: moment,
});

/**
 * Before: compares the nodes with those that the node has known, and refuses when one is gone that still had data. The
 * engine deletes what is gone after it has updated all else: a refusal there would come when the others have left the
 * node alone already. After: those that were to retire have done so and may go.
 */
export const keepMembership = (
  name: string,
  node: Pick<DataNode, "target">,
  nodes: readonly DataNode[],
  moment: pulumi.Input<"before" | "after">,
  options: pulumi.CustomResourceOptions,
): ScriptRun =>
  runScript(
    name,
    {
      target: node.target,
      script: loadScript(__dirname, "membership.sh"),
      parameters: pulumi.output(moment).apply((known) => membershipParameters(nodes, known)),
    },
    options,
  );
