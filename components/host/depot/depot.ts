import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";

/** Arguments of {@link Depot}. */
export interface DepotArgs {
  readonly target: Target;
  /** Where the artifact is: paths on the host, and URLs. */
  readonly locations: readonly string[];
}

/** The host of a deployment whose machines exist already: it has the artifact and sends it on, and is checked for that. */
export class Depot extends pulumi.ComponentResource {
  /** The host, once it has passed. */
  readonly target: Target;

  constructor(name: string, { target, locations }: DepotArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:Depot", name, {}, options);
    const run = runScript(
      `${name}-preflight-host`,
      {
        target,
        script: loadScript(__dirname, "depot.sh", findingsScript),
        parameters: { ARTIFACT_LOCATIONS: locations.join("\n") },
        updates: true,
      },
      { parent: this },
    );
    this.target = { ...target, after: [run] };
    this.registerOutputs();
  }
}

const findingsScript = join(__dirname, "../preflight/findings.sh");
