import * as pulumi from "@pulumi/pulumi";
import type { AssetHost } from "../../artifact/asset-host/asset-host";
import type { ArtifactPlan } from "../../artifact/plan";
import type { Mirror } from "../../artifact/registry/registry";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import {
  authorities,
  renderContainerdConfig,
  renderContainerdUnit,
  renderCrictlConfig,
  renderHosts,
} from "./configuration";
import { planRuntime } from "./plan";

/** Arguments of {@link ContainerRuntime}. */
export interface ContainerRuntimeArgs {
  /** A Kubernetes node that has its supplies. */
  readonly target: Target;
  readonly artifact: ArtifactPlan;
  readonly assetHost: AssetHost;
  /** A registry that is there already. @default the asset host's */
  readonly registry?: Mirror;
  /** `all`: the node imports every image beforehand; `needed`: it pulls what it runs. */
  readonly seed: "needed" | "all";
}

/** The script that {@link ContainerRuntime} runs. */
export const runtimeScript = loadScript(__dirname, "container-runtime.sh", `${__dirname}/image-ids.sh`);

/** containerd on a Kubernetes node, with the stack's registry in the place of all others. */
export class ContainerRuntime extends pulumi.ComponentResource {
  /** The node, once containerd runs on it. */
  readonly target: Target;

  constructor(name: string, args: ContainerRuntimeArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:kubernetes:ContainerRuntime", name, {}, options);
    const { artifact, assetHost } = args;
    const { binaries, packages, sandboxImage } = planRuntime(artifact);
    const run = runScript(
      `${name}-containerd`,
      {
        target: args.target,
        script: runtimeScript,
        parameters: {
          BINARIES: assetHost.url.apply((url) =>
            binaries.map((file) => `${url}/${file.path} ${file.sha256} ${file.name}`).join("\n"),
          ),
          PACKAGES: packages.join(" "),
          CONFIG: renderContainerdConfig(sandboxImage),
          UNIT: renderContainerdUnit(),
          CRICTL_CONFIG: renderCrictlConfig(),
          HOSTS: args.registry
            ? hostsOf(args.registry)
            : assetHost.registry.apply((address) => renderHosts(address, { authority: authorities.stack })),
          REGISTRY_AUTHORITY: args.registry?.authority ?? "",
          REGISTRIES: artifact.registries.join("\n"),
          // Whoever pulls what it needs does not wait for the archives.
          SEED_IMAGES:
            args.seed === "needed"
              ? ""
              : assetHost.imagesUrl.apply((url) =>
                  artifact.images
                    // Those of the administrator's tools run on no node.
                    .filter(({ image }) => image?.set !== "adminhost")
                    .map(
                      ({ path, sha256, image }) =>
                        `${url}/${path} ${sha256} ${image?.reference} ${image?.id}`,
                    )
                    .join("\n"),
                ),
        },
      },
      { parent: this },
    );
    this.target = { ...args.target, after: [run] };
    this.registerOutputs();
  }
}

/** Secret where nodes log in. */
const hostsOf = ({ address, authority, pull }: Mirror): pulumi.Output<string> =>
  pulumi.all([address, authority, pull?.password]).apply(([host, certificates, password]) =>
    renderHosts(host, {
      authority: certificates === "" ? undefined : authorities.registry,
      account: pull && password !== undefined ? { username: pull.username, password } : undefined,
    }),
  );
