import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../../machine/machine";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import type { Secrets } from "../../secrets/secrets";
import type { ArtifactFile } from "../manifest";
import type { ArtifactPlan } from "../plan";
import type { ArtifactStore } from "../store/store";
import { Supplies } from "../supplies/supplies";
import { assetPorts, assetRoots, renderNginxConfig, renderRegistryConfig } from "./configuration";
import { checkAssetHost } from "./plan";
import { Release } from "./release";

/** Arguments of {@link AssetHost}. */
export interface AssetHostArgs {
  /** The KVM host, which has the artifact. */
  readonly host: Target;
  readonly store: ArtifactStore;
  readonly artifact: ArtifactPlan;
  /** The machine that becomes the asset host. */
  readonly machine: Machine;
  /** The domain below which the machine's full name lies. */
  readonly domain: string;
  readonly secrets: Secrets;
  /** Address of the NTP server of the machines; empty where they keep the time by themselves. */
  readonly timeServer: pulumi.Input<string>;
}

/**
 * The machine that all others get their files, packages and images from: nginx at port 8080 with the
 * artifact on the paths of Wire's own deployment (`/debs-…/public`, `/binaries`, `/containers-…`), and the
 * image registry at port 5001. It installs nginx and the registry out of the artifact itself.
 */
export class AssetHost extends pulumi.ComponentResource {
  /** Base URL of the artifact's files, without a slash at the end; known when they are served. */
  readonly url: pulumi.Output<string>;
  /** The same, known when the images' archives are served too. */
  readonly imagesUrl: pulumi.Output<string>;
  /** `host:port` of the registry; known when it answers. */
  readonly registry: pulumi.Output<string>;
  /** The machine, once it has its supplies and serves both. */
  readonly target: Target;

  constructor(name: string, args: AssetHostArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:AssetHost", name, {}, options);
    const { artifact, machine, secrets, store } = args;
    checkAssetHost(artifact);
    const child = { parent: this };
    const isImage = ({ kind }: ArtifactFile) => kind === "image";

    const packages = new Release(
      `${name}-packages`,
      {
        host: args.host,
        store,
        machine,
        files: artifact.served.filter((file) => !isImage(file)),
        root: assetRoots.packages,
      },
      child,
    );
    // From the files themselves: nothing serves them yet.
    const supplies = new Supplies(
      `${name}-supplies`,
      {
        machine,
        artifact,
        source: packages.published.id.apply(() => `file:${assetRoots.packages}/current`),
        authority: secrets.authority.certificate,
        timeServer: args.timeServer,
      },
      child,
    );
    const identity = secrets.serverIdentity("registry", {
      commonName: `${machine.plan.name}.${args.domain}`,
      dnsNames: [machine.plan.name, `${machine.plan.name}.${args.domain}`],
      addresses: [machine.plan.address, "127.0.0.1"],
    });
    const keys = "/etc/wiab/registry";
    const serving = runScript(
      `${name}-services`,
      {
        target: supplies.target,
        script: loadScript(__dirname, "serve.sh"),
        parameters: {
          NGINX_CONFIG: renderNginxConfig(keys),
          REGISTRY_CONFIG: renderRegistryConfig(),
          CERTIFICATE: identity.certificate,
          PRIVATE_KEY: identity.privateKey,
          PUSH_USER: secrets.registry.username,
          PUSH_PASSWORD: secrets.registry.password,
        },
      },
      child,
    );
    const images = new Release(
      `${name}-images`,
      {
        host: args.host,
        store,
        machine,
        files: artifact.images,
        root: assetRoots.images,
        // Most of the bytes, and nobody waits for them but who seeds every image.
        after: [serving],
      },
      child,
    );
    this.target = { ...supplies.target, after: [serving] };
    const { address } = machine.plan;
    this.url = serving.id.apply(() => `http://${address}:${assetPorts.http}`);
    this.imagesUrl = pulumi.all([this.url, images.published.id]).apply(([url]) => url);
    this.registry = serving.id.apply(() => `${address}:${assetPorts.registry}`);
    this.registerOutputs({ url: this.url, registry: this.registry });
  }
}
