import type { Plan } from "../config/plan";
import type { Configuration } from "../config/schema";
import { Depot } from "../host/depot/depot";
import { Firewall } from "../host/firewall/firewall";
import { Gateway } from "../host/firewall/gateway";
import { planRuleset } from "../host/firewall/ruleset";
import { Host } from "../host/host";
import { hostTarget } from "../host/target";
import type { Target } from "../machine/target";
import { readPrivateKey } from "../validation/load";

/** What {@link makeHost} and {@link makeFirewall} read. */
interface Known {
  readonly config: Configuration;
  readonly plan: Plan;
}

/** The host: where machines are made, or what hands the artifact out to those that exist already. */
export interface HostOf {
  /** The host, once it has passed its checks. */
  readonly target: Target;
  /** Undefined where the stack makes no machines. */
  readonly hypervisor: Host | undefined;
}

/** Checks the host and, where it makes machines, gets it ready for them. */
export function makeHost({ config, plan }: Known): HostOf {
  const target = hostTarget(config.host, readPrivateKey(config.host.ssh?.privateKeyFile));
  if (plan.hypervisor) {
    const hypervisor = new Host("host", { target, config, plan, ...plan.hypervisor });
    return { target: hypervisor.target, hypervisor };
  }
  const locations = (config.artifact?.sources ?? []).map(({ location }) => location);
  return {
    target: locations.length > 0 ? new Depot("host", { target, locations }).target : target,
    hypervisor: undefined,
  };
}

/** The firewall on the host, or on the gateway before machines that exist already; undefined where somebody else makes it. */
export function makeFirewall({ config, plan }: Known, host: HostOf): Firewall | undefined {
  const { place } = plan.firewall;
  if (place === "nowhere") return undefined;
  const ruleset = planRuleset(config, plan);
  const { publicInterface, gateway } = config.firewall;
  const ssh = gateway?.ssh ?? config.host.ssh;
  const target =
    place === "host"
      ? host.target
      : new Gateway("gateway", {
          target: hostTarget({ ssh }, readPrivateKey(ssh?.privateKeyFile)),
          ruleset,
          machines: plan.machines.map(({ address }) => address),
          publicInterface,
        }).target;
  return new Firewall("firewall", { target, ruleset, publicInterface });
}
