import type * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../../config/plan";
import type { Target } from "../../remote/target";

/**
 * A machine that is ready to be worked on, whether the stack made it or found it. The target becomes
 * known only when the machine has booted and let the program in: whoever runs something there waits for
 * that without having to say so.
 */
export interface Machine {
  readonly plan: MachinePlan;
  readonly target: Target;
  /** How a person logs in. */
  readonly sshCommand: string;
  /** Becomes known when the machine is ready. */
  readonly ready: pulumi.Output<string>;
}
