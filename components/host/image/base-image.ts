import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../../config/schema";
import { loadScript, runScript } from "../../remote/script";
import type { Target } from "../../remote/target";

/** Arguments of {@link BaseImage}. */
export interface BaseImageArgs {
  readonly target: Target;
  readonly image: Configuration["image"];
  /** Name of the storage pool, once it is there. */
  readonly pool: pulumi.Input<string>;
  /** Directory of the pool. */
  readonly poolPath: string;
}

/**
 * The disk image that all machines' disks are thin clones of. The host fetches it itself, checks it and
 * only then names it; the provider's own upload would neither check nor resume, and pass it through the
 * workstation.
 */
export class BaseImage extends pulumi.ComponentResource {
  /** Name of the image's volume in the pool. */
  readonly volume: pulumi.Output<string>;

  constructor(name: string, args: BaseImageArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:BaseImage", name, {}, options);
    const volume = imageVolume(args.image);
    const fetched = runScript(
      `${name}-file`,
      {
        target: args.target,
        script: loadScript(__dirname, "fetch.sh"),
        parameters: {
          SOURCE: args.image.source,
          SHA256: args.image.sha256 ?? "",
          POOL: args.pool,
          POOL_PATH: args.poolPath,
          VOLUME: volume,
        },
        removes: true,
      },
      { parent: this },
    );
    this.volume = fetched.id.apply(() => volume);
    this.registerOutputs({ volume: this.volume });
  }
}

/** Another image gets another name, so that the disks of existing machines keep the one they stand on. */
export function imageVolume({ source, sha256 }: Configuration["image"]): string {
  const identity = sha256 ?? createHash("sha256").update(source).digest("hex");
  return `base-${identity.slice(0, 16)}.qcow2`;
}
