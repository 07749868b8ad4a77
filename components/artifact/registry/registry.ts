import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";
import { digestOf, type ImageSet } from "../manifest";
import type { ArtifactPlan } from "../plan";
import type { ArtifactStore } from "../store/store";

/** An account at a registry. */
interface Account {
  readonly username: string;
  readonly password: pulumi.Input<string>;
}

/** A registry that images are pushed to, and that nodes have as their mirror. */
export interface Mirror {
  /** `host:port`, or the host alone; known when it answers. */
  readonly address: pulumi.Input<string>;
  /** Certificates of its authority in PEM; empty for those that everybody knows. */
  readonly authority: pulumi.Input<string>;
  readonly push: Account;
  /** Who the nodes log in as. @default nobody */
  readonly pull?: Account;
}

/** Arguments of {@link Registry}. */
export interface RegistryArgs {
  /** The KVM host, which has the images. */
  readonly host: Target;
  readonly store: ArtifactStore;
  readonly artifact: ArtifactPlan;
  readonly mirror: Mirror;
  /** Another value means another machine that has the registry, which is empty. @default none is known */
  readonly identity?: pulumi.Input<string>;
}

/**
 * The artifact's images in a registry, without the names of the registries that they come
 * from, as a mirror has them. The host pushes them: it has them, and it need not be emulated.
 */
export class Registry extends pulumi.ComponentResource {
  /** The step after which there is everything that Kubernetes itself runs. */
  readonly system: ScriptRun;
  /** The step after which every image is there. */
  readonly filled: ScriptRun;
  readonly mirror: Mirror;

  constructor(name: string, args: RegistryArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:Registry", name, {}, options);
    const { artifact, mirror } = args;
    this.mirror = mirror;
    const push = (step: string, sets: readonly ImageSet[], after: pulumi.Resource) =>
      runScript(
        `${name}-${step}`,
        {
          target: args.host,
          script: loadScript(__dirname, "push.sh"),
          parameters: {
            LOADER: readFileSync(join(__dirname, "load-and-push-images.sh"), "utf8"),
            STORE: args.store.path,
            SETS: sets.join(" "),
            UNUSABLE: [...artifact.unusable.keys()].join("\n"),
            IMAGES: digestOf(artifact.images.filter(({ image }) => image && sets.includes(image.set))),
            REGISTRY: mirror.address,
            AUTHORITY: mirror.authority,
            PUSH_USER: mirror.push.username,
            PUSH_PASSWORD: mirror.push.password,
            ASSET_HOST: args.identity ?? "",
          },
        },
        { parent: this, dependsOn: after },
      );
    this.system = push("system-images", ["system"], args.store.filled);
    // Not side by side: nodes wait for the first, and the registry's machine has only so much to give.
    this.filled = push("images", ["helm", "adminhost"], this.system);
    this.registerOutputs();
  }
}
