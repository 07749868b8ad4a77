import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import type { RulesetArgs } from "./ruleset";

/** Arguments of {@link Gateway}. */
export interface GatewayArgs {
  readonly target: Target;
  readonly ruleset: Pick<RulesetArgs, "publicAddress" | "localAddress">;
  /** Addresses of the machines behind it. */
  readonly machines: readonly string[];
  /** Interface that the firewall makes for the public address. @default the gateway has the address already */
  readonly publicInterface?: string;
}

/** The script that {@link Gateway} runs; it takes {@link gatewayParameters}. */
export const gatewayScript = loadScript(__dirname, "gateway.sh");

/** Parameters of the script. */
export const gatewayParameters = ({ ruleset, machines, publicInterface }: Omit<GatewayArgs, "target">) => ({
  LOCAL_ADDRESS: publicInterface ? "" : (ruleset.localAddress ?? ruleset.publicAddress),
  MACHINES: machines.join(" "),
});

/** The machine between clients and machines that exist already, checked before its firewall changes. */
export class Gateway extends pulumi.ComponentResource {
  /** The gateway, once it has passed. */
  readonly target: Target;

  constructor(name: string, args: GatewayArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:Gateway", name, {}, options);
    const run = runScript(
      `${name}-check`,
      { target: args.target, script: gatewayScript, parameters: gatewayParameters(args) },
      { parent: this },
    );
    this.target = { ...args.target, after: [run] };
    this.registerOutputs();
  }
}
