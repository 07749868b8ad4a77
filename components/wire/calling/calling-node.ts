import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { callingPorts } from "../../config/plan";
import { loadScript, runScript } from "../../remote/script";
import type { Target } from "../../remote/target";

/** The first port that coturn relays through: its own default, as the chart has no value for it (RFC 8656). */
const firstRelayPort = 49_152;

/** The ports of conference calls, which sftd gets from the kernel, below those of the relay. */
export const sftPorts = { first: callingPorts.media.first, last: firstRelayPort - 1 } as const;

/** Arguments of {@link CallingNode}. */
export interface CallingNodeArgs {
  readonly name: string;
  readonly target: Target;
  /** The address under which clients reach it. */
  readonly publicAddress: string;
  readonly provider: kubernetes.Provider;
}

/** Makes a Kubernetes node ready for sftd and coturn. */
export class CallingNode extends pulumi.ComponentResource {
  constructor(name: string, args: CallingNodeArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:wire:CallingNode", name, {}, options);
    runScript(
      `${name}-ports`,
      {
        target: args.target,
        script: loadScript(__dirname, "ports.sh"),
        parameters: { FIRST: `${sftPorts.first}`, LAST: `${sftPorts.last}` },
        removes: true,
      },
      { parent: this },
    );
    // Both charts read it at a pod's start; without it sftd tells clients an address that they cannot reach.
    new kubernetes.core.v1.NodePatch(
      `${name}-address`,
      {
        metadata: {
          name: args.name,
          annotations: { "wire.com/external-ip": args.publicAddress, "pulumi.com/patchForce": "true" },
        },
      },
      { parent: this, provider: args.provider },
    );
    this.registerOutputs();
  }
}
