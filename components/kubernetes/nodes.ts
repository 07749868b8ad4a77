import type { Artifact } from "../artifact/artifact";
import type { ArtifactPlan } from "../artifact/plan";
import type { MachinePlan } from "../config/plan";
import { Admission } from "./admission";
import type { KubernetesNode } from "./cluster";
import { ContainerRuntime, type ContainerRuntimeArgs } from "./container-runtime/container-runtime";

/** Arguments of {@link prepareNodes}. */
export interface NodesArgs extends Pick<ContainerRuntimeArgs, "seed" | "registry"> {
  readonly kubenodes: readonly MachinePlan[];
  readonly plan: ArtifactPlan;
  /** Where the machines have their supplies from. */
  readonly artifact: Artifact;
}

/** Machines that may become nodes of the cluster, each with its container runtime. */
export const prepareNodes = ({
  kubenodes,
  plan,
  artifact,
  seed,
  registry,
}: NodesArgs): readonly KubernetesNode[] =>
  kubenodes.map((machine) => {
    const { target } = new Admission(`admission-${machine.name}`, {
      target: artifact.targetOf(machine.name),
      nodes: kubenodes,
      artifact: plan,
    });
    const runtime = new ContainerRuntime(`runtime-${machine.name}`, {
      target,
      artifact: plan,
      assetHost: artifact.assetHost,
      seed,
      registry,
    });
    return { plan: machine, target: runtime.target };
  });
