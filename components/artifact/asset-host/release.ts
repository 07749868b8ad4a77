import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../../machine/machine";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";
import { type ArtifactFile, digestOf } from "../manifest";
import type { ArtifactStore } from "../store/store";

/** Arguments of {@link Release}. */
export interface ReleaseArgs {
  /** The KVM host, which has the files. */
  readonly host: Target;
  readonly store: ArtifactStore;
  /** The asset host. */
  readonly machine: Machine;
  readonly files: readonly ArtifactFile[];
  /** Directory on the asset host for this kind of files. */
  readonly root: string;
  /** What goes before them, since it is more urgent. @default nothing */
  readonly after?: readonly pulumi.Resource[];
}

/**
 * Files of the artifact on the asset host: only those that it does not have are sent, and they become visible
 * together, in `<root>/current`, when all have arrived whole.
 */
export class Release extends pulumi.ComponentResource {
  /** The step after which the files are visible. */
  readonly published: ScriptRun;

  constructor(name: string, args: ReleaseArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:Release", name, {}, options);
    const { host, machine, store, root } = args;
    const files = args.files.map(({ sha256, size, path }) => `${sha256} ${size} ${path}`).join("\n");
    const transfer = runScript(
      `${name}-files`,
      {
        target: { ...host, after: [...(host.after ?? []), ...(machine.target.after ?? [])] },
        script: loadScript(__dirname, "transfer.sh"),
        parameters: {
          STORE: store.path,
          FILES: files,
          ROOT: root,
          ADDRESS: machine.address,
          PORT: `${machine.login.port}`,
          LOGIN: machine.login.user,
          PRIVATE_KEY: machine.login.privateKey ?? "",
          HOST_KEY: machine.login.hostKey ?? "",
          ASSET_HOST: machine.target.identity ?? "",
        },
      },
      { parent: this, dependsOn: [store.filled, ...(args.after ?? [])] },
    );
    this.published = runScript(
      `${name}-published`,
      {
        target: machine.target,
        script: loadScript(__dirname, "publish.sh"),
        parameters: { ROOT: root, RELEASE: digestOf(args.files), FILES: files },
      },
      { parent: this, dependsOn: transfer },
    );
    this.registerOutputs();
  }
}
