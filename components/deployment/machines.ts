import type { Plan } from "../config/plan";
import type { Configuration } from "../config/schema";
import type { Host } from "../host/host";
import { ExistingMachine } from "../host/machine/existing-machine";
import { VirtualMachine } from "../host/machine/virtual-machine";
import type { Machine } from "../machine/machine";
import type { Secrets } from "../secrets/secrets";
import { readPrivateKey } from "../validation/load";

/** All machines of the plan, in its order, each under its own name: made on the host, or found where they are. */
export const makeMachines = ({
  config,
  plan,
  host,
  secrets,
}: {
  readonly config: Configuration;
  readonly plan: Plan;
  readonly host: Host;
  readonly secrets: Pick<Secrets, "ssh" | "hostIdentity">;
}): readonly Machine[] =>
  plan.machines.map((machine) =>
    machine.existing
      ? new ExistingMachine(machine.name, {
          plan: machine,
          privateKey: readPrivateKey(machine.existing.privateKeyFile),
        }).machine
      : new VirtualMachine(machine.name, {
          plan: machine,
          config,
          host,
          poolPath: plan.poolPath,
          dataDisk: machine.role === "wickr" ? plan.wickr?.disk : undefined,
          sshKey: secrets.ssh,
          hostKey: secrets.hostIdentity(machine.name),
        }).machine,
  );
