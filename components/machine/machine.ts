import type * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../config/plan";
import type { Target } from "./target";

/**
 * A machine that is ready to be worked on, whether the stack made it or found it. Whoever runs something
 * on its target waits, without having to say so, until it has booted and let the program in.
 */
export interface Machine {
  readonly plan: MachinePlan;
  readonly target: Target;
  /** How another machine of the stack can log in to it. */
  readonly login: {
    readonly user: string;
    readonly port: number;
    /** Undefined where the program uses the keys of an SSH agent. */
    readonly privateKey: pulumi.Output<string> | undefined;
    /** The key that its SSH server has to prove; undefined for a machine whose key nobody has given. */
    readonly hostKey: pulumi.Input<string> | undefined;
  };
  /** How a person logs in. */
  readonly sshCommand: string;
  /** Its address, known when it is ready. */
  readonly address: pulumi.Output<string>;
}
