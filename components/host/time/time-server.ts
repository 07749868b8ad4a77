import type * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";

/** Arguments of {@link TimeServer}. */
export interface TimeServerArgs {
  readonly target: Target;
  /** The machines' network, which has to be up before anything can listen on its address. */
  readonly network: libvirt.Network;
  /** Name of that network. */
  readonly networkName: string;
  /** The host's address in it. */
  readonly gateway: string;
  /** The network in CIDR notation. */
  readonly cidr: string;
}

/**
 * The host's clock for machines that reach no other: clocks that differ break Cassandra, whose newest
 * write wins, and certificates.
 */
export class TimeServer extends pulumi.ComponentResource {
  /** Address of the server, known when it answers. */
  readonly address: pulumi.Output<string>;

  constructor(name: string, args: TimeServerArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:TimeServer", name, {}, options);
    const run = runScript(
      `${name}-chrony`,
      {
        target: args.target,
        script: loadScript(__dirname, "time-server.sh"),
        parameters: {
          NAME: args.networkName,
          ADDRESS: args.gateway,
          CIDR: args.cidr,
          UNIT_FILE: `/etc/systemd/system/wiab-time-${args.networkName}.service`,
        },
        removes: true,
      },
      { parent: this, dependsOn: args.network },
    );
    this.address = run.id.apply(() => args.gateway);
    this.registerOutputs({ address: this.address });
  }
}
