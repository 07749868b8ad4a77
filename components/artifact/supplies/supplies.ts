import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../../machine/machine";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import { digestOf } from "../manifest";
import type { ArtifactPlan } from "../plan";

/** Arguments of {@link Supplies}. */
export interface SuppliesArgs {
  readonly machine: Machine;
  readonly artifact: ArtifactPlan;
  /** Where the artifact's files are to be had: a base URL, `http:` or `file:`, without a slash at the end. */
  readonly source: pulumi.Input<string>;
  /** Certificate of the authority that the machine is to trust, in PEM. */
  readonly authority: pulumi.Input<string>;
  /** Address of its NTP server; empty where the machine keeps the time by itself. */
  readonly timeServer: pulumi.Input<string>;
}

/**
 * Gives a machine what everything that runs on it relies on: packages from the asset host alone, with its
 * key; the certificate of the stack's authority, in `/etc/wiab/ca.crt`; the time from the host.
 */
export class Supplies extends pulumi.ComponentResource {
  /** The machine, once it has all that: what is installed on it goes by this target. */
  readonly target: Target;

  constructor(name: string, args: SuppliesArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:Supplies", name, {}, options);
    const { machine, artifact } = args;
    const packages = artifact.served.filter(({ kind }) => kind === "apt");
    const run = runScript(
      `${name}-sources`,
      {
        target: machine.target,
        script: loadScript(__dirname, "supplies.sh"),
        parameters: {
          REPOSITORIES: pulumi
            .output(args.source)
            .apply((source) =>
              artifact.apt
                .map((apt) =>
                  [
                    `${source}/${apt.path}`,
                    `${source}/${apt.key}`,
                    apt.keySha256,
                    apt.suite,
                    ...apt.components,
                  ].join(" "),
                )
                .join("\n"),
            ),
          CONTENT: digestOf(packages),
          AUTHORITY: args.authority,
          TIME_SERVER: args.timeServer,
        },
        removes: true,
      },
      { parent: this },
    );
    this.target = { ...machine.target, after: [run] };
    this.registerOutputs();
  }
}
