import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";
import type { ArchivePlan } from "../plan";

/** Arguments of {@link ArtifactStore}. */
export interface ArtifactStoreArgs {
  /** The KVM host. */
  readonly target: Target;
  /** Directory on it, made and removed by the stack. */
  readonly path: string;
  readonly archives: readonly ArchivePlan[];
}

/** The script that {@link ArtifactStore} runs; it takes {@link storeParameters}. */
export const storeScript = loadScript(__dirname, "store.sh");

/** Parameters of the script. */
export const storeParameters = ({ path, archives }: Omit<ArtifactStoreArgs, "target">) => ({
  STORE: path,
  ARCHIVES: archives
    .map(({ sha256, size, name, location }) => `${sha256} ${size} ${name} ${location}`)
    .join("\n"),
  FILES: archives
    .flatMap((archive) =>
      archive.files.map((file) => `${archive.sha256} ${file.sha256} ${file.size} ${file.path}`),
    )
    .join("\n"),
});

/**
 * The artifact on the KVM host: fetched, or taken from where the operator has put it, unpacked, and checked
 * file by file. Everything else takes it from here, so that it passes the workstation at no time.
 */
export class ArtifactStore extends pulumi.ComponentResource {
  /** Below it, `archives/<sha256>/` are the unpacked archives and `files/<sha256>` their files. */
  readonly path: string;
  /** The step after which everything is there. */
  readonly filled: ScriptRun;

  constructor(name: string, args: ArtifactStoreArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:ArtifactStore", name, {}, options);
    this.path = args.path;
    this.filled = runScript(
      `${name}-archives`,
      { target: args.target, script: storeScript, parameters: storeParameters(args), removes: true },
      { parent: this },
    );
    this.registerOutputs({ path: this.path });
  }
}
