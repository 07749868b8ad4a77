import type { Plan } from "../config/plan";
import type { Configuration } from "../config/schema";
import { ExistingMachine } from "../host/machine/existing-machine";
import { VirtualMachine } from "../host/machine/virtual-machine";
import type { Machine } from "../machine/machine";
import type { Secrets } from "../secrets/secrets";
import { readPrivateKey } from "../validation/load";
import type { HostOf } from "./host";

/** All machines of the plan, in its order, each under its own name: made on the host, or found where they are. */
export const makeMachines = ({
  config,
  plan,
  host: { hypervisor },
  secrets,
}: {
  readonly config: Configuration;
  readonly plan: Plan;
  readonly host: HostOf;
  readonly secrets: Pick<Secrets, "ssh" | "hostIdentity">;
}): readonly Machine[] =>
  plan.machines.map((machine) =>
    hypervisor && !machine.existing
      ? new VirtualMachine(machine.name, {
          plan: machine,
          config,
          host: hypervisor,
          poolPath: plan.poolPath,
          dataDisk: machine.role === "wickr" ? plan.wickr?.disk : undefined,
          sshKey: secrets.ssh,
          hostKey: secrets.hostIdentity(machine.name),
        }).machine
      : new ExistingMachine(machine.name, {
          plan: machine,
          privateKey: readPrivateKey(machine.existing?.privateKeyFile),
        }).machine,
  );
