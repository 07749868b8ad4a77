import * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../config/plan";
import { type WickrPlan, wickrNeeds } from "../config/wickr";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";
import { mayLogIn, type PortsArgs, portsTable, renderPorts } from "./ports";

/** Arguments of {@link Wickr}. */
export interface WickrArgs {
  readonly plan: WickrPlan & { readonly machine: MachinePlan };
  readonly target: Target;
  /** The key of the disk (key.ts). Secret. */
  readonly diskKey: pulumi.Input<string>;
  /** Address that the machine's host has in the machine's network. @default the machine has no host of the stack's */
  readonly gateway?: string;
}

const script = (file: string) => loadScript(__dirname, file, `${__dirname}/disk.sh`);

/** The machine of Wickr (docs/wickr.md): checked, its disk encrypted and Docker's data on it, its ports closed to strangers. */
export class Wickr extends pulumi.ComponentResource {
  /** UUID of the encrypted disk. */
  readonly volume: pulumi.Output<string>;

  constructor(name: string, args: WickrArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:wickr:Wickr", name, {}, options);
    const child = { parent: this };
    const { plan, target } = args;
    const disk = diskParameters(plan, args.diskKey);
    const checked = runScript(
      `${name}-preflight`,
      {
        target,
        script: script("preflight.sh"),
        parameters: { ...disk, ...preflightParameters(plan) },
      },
      child,
    );
    const ports = runScript(
      `${name}-ports`,
      {
        target: { ...target, after: [...(target.after ?? []), checked] },
        script: loadScript(__dirname, "ports.sh"),
        parameters: portsParameters({
          plan,
          sshPort: plan.machine.existing?.port ?? 22,
          host: plan.forwarded ? args.gateway : undefined,
        }),
        removes: true,
      },
      child,
    );
    const volume = runScript(
      `${name}-volume`,
      {
        // Nobody is let in before the rules are there.
        target: { ...target, after: [...(target.after ?? []), ports] },
        script: script("volume.sh"),
        // Another size is for the file system to follow.
        parameters: { ...disk, SIZE: plan.forwarded ? `${plan.disk.sizeGB}` : "" },
      },
      child,
    );
    this.volume = volume.stdout.apply((text) => /^volume: (.*)$/m.exec(text)?.[1] ?? "");
    this.registerOutputs({ volume: this.volume });
  }
}

/** What the scripts that look at the disk share. */
export const diskParameters = <K>({ disk }: Pick<WickrPlan, "disk">, key: K) => ({
  SERIAL: disk.serial,
  KEY: key,
  UNLOCK: disk.unlock,
});

/** The parameters of preflight.sh, but for the disk's. */
export const preflightParameters = ({ waive, hostname }: Pick<WickrPlan, "waive" | "hostname">) => ({
  WAIVE: waive.join("\n"),
  HOSTNAME_OF_SERVER: hostname,
  VCPUS: `${wickrNeeds.vcpus}`,
  MEMORY_GIB: `${wickrNeeds.memoryGiB}`,
  ROOT_GB: `${wickrNeeds.rootGB}`,
  DISK_GB: `${wickrNeeds.diskGB}`,
});

/** The parameters of ports.sh. */
export const portsParameters = (args: PortsArgs) => ({
  RULESET: renderPorts(args),
  MAY_LOG_IN: mayLogIn(args).join("\n"),
  SSH_PORT: `${args.sshPort}`,
  TABLE: portsTable,
});
