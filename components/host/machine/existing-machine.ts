import * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../../config/plan";
import type { Machine } from "../../machine/machine";
import { logIn } from "./login";

/** Arguments of {@link ExistingMachine}. */
export interface ExistingMachineArgs {
  readonly plan: MachinePlan;
  /** Private key to log in with; without it the SSH agent's keys are used. */
  readonly privateKey?: pulumi.Input<string>;
}

/** A machine that is there already: used as it is, and left alone when the stack is destroyed. */
export class ExistingMachine extends pulumi.ComponentResource {
  readonly machine: Machine;

  constructor(
    name: string,
    { plan, privateKey }: ExistingMachineArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super("wiab:host:ExistingMachine", name, {}, options);
    if (!plan.existing) throw new Error(`${plan.name} is not configured as an existing machine`);
    const { user, port, hostKey } = plan.existing;
    this.machine = logIn(
      `${name}-login`,
      {
        plan,
        login: {
          user,
          port,
          hostKey,
          privateKey: privateKey === undefined ? undefined : pulumi.secret(privateKey),
        },
        authorizedKeys: [],
        sshCommand: `ssh -p ${port} ${user}@${plan.address}`,
      },
      { parent: this },
    );
    this.registerOutputs({ address: plan.address, role: plan.role });
  }
}
