import * as pulumi from "@pulumi/pulumi";
import type { ArtifactPlan } from "../artifact/plan";
import type { MachinePlan } from "../config/plan";
import { keepMembership } from "../machine/membership";
import type { Target } from "../machine/target";
import { planKubernetes } from "./plan";
import { checkVersion } from "./version/version";

/** Arguments of {@link Admission}. */
export interface AdmissionArgs {
  /** A machine that has its supplies. */
  readonly target: Target;
  /** All machines of the cluster. */
  readonly nodes: readonly MachinePlan[];
  readonly artifact: ArtifactPlan;
}

/**
 * Refuses what cannot be done before anything on a machine of the cluster changes: another node that is missing and has
 * not retired, a version of Kubernetes that this node cannot become.
 */
export class Admission extends pulumi.ComponentResource {
  /** The machine, once nothing speaks against it. */
  readonly target: Target;

  constructor(name: string, args: AdmissionArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:kubernetes:Admission", name, {}, options);
    const { target, nodes, artifact } = args;
    const child = { parent: this };
    this.target = {
      ...target,
      after: [
        keepMembership(`${name}-nodes`, "kubernetes", target, nodes, "before", child),
        checkVersion(`${name}-version`, target, planKubernetes(artifact).version, child),
      ],
    };
    this.registerOutputs();
  }
}
