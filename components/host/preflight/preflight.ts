import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Plan } from "../../config/plan";
import { ingressNodePorts } from "../../config/ports";
import type { Configuration, ImageConfiguration } from "../../config/schema";
import { knownHostsFile } from "../../config/schema";
import { bytesOfGB } from "../../config/units";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import { admittedMark, machineServices } from "../firewall/host-services";

/** Looks at the host, with the functions that ask its firewalls. */
export const preflightScript = loadScript(
  __dirname,
  "preflight.sh",
  join(__dirname, "findings.sh"),
  join(__dirname, "firewalls.sh"),
);

/** Arguments of {@link Preflight}. */
export interface PreflightArgs {
  readonly target: Target;
  readonly config: Configuration;
  readonly plan: Plan;
  /** The guests' image. */
  readonly image: ImageConfiguration;
}

/**
 * Looks at the host before anything on it is changed, and stops the run with all findings if it cannot
 * carry the deployment. It looks again when what it checks has changed.
 */
export class Preflight extends pulumi.ComponentResource {
  /**
   * libvirt's URI, once the host has passed. The provider that takes it can therefore not be configured
   * before, and a preview of a stack that was never deployed needs no connection.
   */
  readonly libvirtUri: pulumi.Output<string>;
  /** The host, for whoever must not touch it before it has passed. */
  readonly checked: Target;

  constructor(
    name: string,
    { target, config, plan, image }: PreflightArgs,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super("wiab:host:Preflight", name, {}, options);
    const { network, host, firewall } = config;
    const run = runScript(
      `${name}-host`,
      {
        target,
        script: preflightScript,
        parameters: {
          NETWORK: network.name,
          CIDR: network.cidr,
          POOL_PATH: plan.poolPath,
          VIRTUALIZATION: host.virtualization,
          IMAGE_SOURCE: image.source,
          MEMORY_MIB: `${plan.demand.memoryMiB}`,
          VCPUS: `${plan.demand.vcpus}`,
          DISK_BYTES: `${plan.demand.diskBytes}`,
          IMAGE_BYTES: `${bytesOfGB(image.virtualSizeGB)}`,
          MACHINES: `${plan.demand.machines}`,
          DOMAINS: plan.machines.map(({ domainName }) => domainName).join(" "),
          PUBLIC_ADDRESS: firewall.publicAddress,
          LOCAL_ADDRESS: firewall.localAddress ?? firewall.publicAddress,
          HOST_PORTS: firewall.hostPorts.join(" "),
          TAKEN_PORTS: takenPorts(plan),
          ADMITTED_MARK: admittedMark,
          MACHINE_SERVICES: machineServices.map(({ protocol, port }) => `${protocol}/${port}`).join(" "),
          NODE_PORTS: `80:${ingressNodePorts.http} 443:${ingressNodePorts.https}`,
          PUBLIC_INTERFACE: firewall.publicInterface ?? "",
          ARTIFACT_LOCATIONS: (config.artifact?.sources ?? []).map(({ location }) => location).join("\n"),
        },
        updates: true,
      },
      { parent: this },
    );
    this.checked = { ...target, after: [run] };
    const libvirt = runScript(
      `${name}-libvirt`,
      { target: this.checked, script: loadScript(__dirname, "libvirt.sh"), parameters: {} },
      { parent: this },
    );
    // Unknown until libvirt has answered once, and known ever after: a provider whose URI became unknown with
    // each change of the configuration could preview nothing.
    this.libvirtUri = libvirt.stdout.apply(() => libvirtUri(config.host));
    this.registerOutputs({ libvirtUri: this.libvirtUri });
  }
}

/** Ports of the host that will go to the machines, as `tcp 80 80` a line: protocol, first, last. */
const takenPorts = ({ publicPorts }: Plan): string =>
  publicPorts
    .map(({ protocol, ports }) => {
      const [first, last = first] = ports.split("-");
      return `${protocol} ${first} ${last}`;
    })
    .join("\n");

/** Where libvirt listens: on this machine, or on the host through SSH with the key that scripts use too. */
export function libvirtUri({ ssh }: Configuration["host"]): string {
  if (!ssh) return "qemu:///system";
  const query = new URLSearchParams({
    // The provider takes a key from a file alone: the rules have seen to it that this one has it.
    ...(ssh.hostKey
      ? { knownhosts: `$HOME/${knownHostsFile}`, known_hosts_verify: "normal" }
      : { no_verify: "1" }),
    sshauth: ssh.privateKeyFile ? "privkey" : "agent",
  });
  if (ssh.privateKeyFile) query.set("keyfile", ssh.privateKeyFile);
  return `qemu+ssh://${ssh.user}@${ssh.address}:${ssh.port}/system?${query}`;
}
