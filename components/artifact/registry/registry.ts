import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";
import type { Secrets } from "../../secrets/secrets";
import type { AssetHost } from "../asset-host/asset-host";
import { digestOf, type ImageSet } from "../manifest";
import type { ArtifactPlan } from "../plan";
import type { ArtifactStore } from "../store/store";

/** Arguments of {@link Registry}. */
export interface RegistryArgs {
  /** The KVM host, which has the images. */
  readonly host: Target;
  readonly store: ArtifactStore;
  readonly artifact: ArtifactPlan;
  readonly assetHost: AssetHost;
  /** Another value means another asset host, whose registry is empty. */
  readonly assetHostIdentity: pulumi.Input<string>;
  readonly secrets: Secrets;
}

/**
 * The artifact's images in the asset host's registry, without the names of the registries that they come
 * from, as a mirror has them. The KVM host pushes them: it has them, and it need not be emulated.
 */
export class Registry extends pulumi.ComponentResource {
  /** The step after which there is everything that Kubernetes itself runs. */
  readonly system: ScriptRun;
  /** The step after which every image is there. */
  readonly filled: ScriptRun;

  constructor(name: string, args: RegistryArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:Registry", name, {}, options);
    const { artifact, secrets } = args;
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
            REGISTRY: args.assetHost.registry,
            AUTHORITY: secrets.authority.certificate,
            PUSH_USER: secrets.registry.username,
            PUSH_PASSWORD: secrets.registry.password,
            ASSET_HOST: args.assetHostIdentity,
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
