import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { ImageConfiguration } from "../../config/schema";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";

/** Arguments of {@link BaseImage}. */
export interface BaseImageArgs {
  readonly target: Target;
  readonly image: ImageConfiguration;
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
  /** What the hypervisor starts, for an image without a boot loader. */
  readonly directBoot: DirectBoot | undefined;

  constructor(name: string, args: BaseImageArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:BaseImage", name, {}, options);
    const fetch = (what: string, source: string, volume: string, sha256 = "") =>
      runScript(
        `${name}-${what}`,
        {
          target: args.target,
          script: loadScript(__dirname, "fetch.sh"),
          parameters: {
            SOURCE: source,
            SHA256: sha256,
            POOL: args.pool,
            POOL_PATH: args.poolPath,
            VOLUME: volume,
          },
          removes: true,
        },
        { parent: this },
      ).id.apply(() => volume);
    const { source, sha256, directBoot } = args.image;
    this.volume = fetch("disk", source, volumeName("base", sha256 ?? source, ".qcow2"), sha256);
    // The emulator runs as a user of its own, who can be counted on to reach the pool alone.
    const inPool = (what: string, path: string) =>
      pulumi.interpolate`${args.poolPath}/${fetch(what, path, volumeName(what, path))}`;
    this.directBoot = directBoot && {
      kernel: inPool("kernel", directBoot.kernel),
      initrd: inPool("initrd", directBoot.initrd),
      commandLine: directBoot.commandLine,
    };
    this.registerOutputs({ volume: this.volume });
  }
}

/** A kernel on the host with what it needs to start a machine. */
export interface DirectBoot {
  readonly kernel: pulumi.Output<string>;
  readonly initrd: pulumi.Output<string>;
  readonly commandLine: string;
}

/** Another image gets another name, so that the disks of existing machines keep the one they stand on. */
const volumeName = (kind: string, identity: string, ending = ""): string =>
  // No machine's disk can have such a name: host names have no underscore.
  `_${kind}-${createHash("sha256").update(identity).digest("hex").slice(0, 16)}${ending}`;
