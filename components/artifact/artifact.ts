import * as pulumi from "@pulumi/pulumi";
import type { Machine } from "../machine/machine";
import type { Target } from "../machine/target";
import type { Secrets } from "../secrets/secrets";
import { AssetHost } from "./asset-host/asset-host";
import type { ArtifactPlan } from "./plan";
import { type Mirror, Registry } from "./registry/registry";
import { ArtifactStore } from "./store/store";
import { Supplies } from "./supplies/supplies";

/** Arguments of {@link Artifact}. */
export interface ArtifactArgs {
  readonly plan: ArtifactPlan;
  /** The KVM host. */
  readonly host: Target;
  /** Directory on it for the unpacked artifact. */
  readonly storePath: string;
  /** Every machine, the asset host among them. */
  readonly machines: readonly Machine[];
  /** The domain below which the machines' full names lie. */
  readonly domain: string;
  readonly secrets: Secrets;
  /** A registry that is there already. @default the asset host's */
  readonly registry?: Mirror;
  /** Address of the machines' NTP server; empty where they keep the time by themselves. */
  readonly timeServer: pulumi.Input<string>;
}

/**
 * The offline artifact on its way to the machines: unpacked on the host, served by the asset host, its images
 * in the registry, and every machine told to take things from there alone.
 */
export class Artifact extends pulumi.ComponentResource {
  readonly assetHost: AssetHost;
  /** Full once all images are in it. */
  readonly registry: Registry;
  private readonly supplied: ReadonlyMap<string, Target>;

  constructor(name: string, args: ArtifactArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:artifact:Artifact", name, {}, options);
    const { plan, host, secrets, domain, timeServer } = args;
    const child = { parent: this };
    const machine = args.machines.find((candidate) => candidate.plan.role === "assethost");
    if (!machine) throw new Error(`${name}: there is no machine with the role assethost`);

    const store = new ArtifactStore(
      `${name}-store`,
      { target: host, path: args.storePath, archives: plan.archives },
      child,
    );
    this.assetHost = new AssetHost(
      `${name}-${machine.plan.name}`,
      { host, store, artifact: plan, machine, domain, secrets, timeServer },
      child,
    );
    this.registry = new Registry(
      `${name}-registry`,
      {
        host,
        store,
        artifact: plan,
        ...(args.registry
          ? { mirror: args.registry }
          : {
              mirror: {
                address: this.assetHost.registry,
                authority: secrets.authority.certificate,
                push: secrets.registry,
              },
              identity: machine.target.identity,
            }),
      },
      child,
    );
    this.supplied = new Map(
      args.machines.map((each) => [
        each.plan.name,
        each === machine
          ? this.assetHost.target
          : new Supplies(
              `${name}-${each.plan.name}`,
              {
                machine: each,
                artifact: plan,
                source: this.assetHost.url,
                authority: secrets.authority.certificate,
                timeServer,
              },
              child,
            ).target,
      ]),
    );
    this.registerOutputs({ url: this.assetHost.url, registry: this.registry.mirror.address });
  }

  /** A machine that has its supplies: what is installed on it goes by this target. */
  targetOf(machine: string): Target {
    const target = this.supplied.get(machine);
    if (!target) throw new Error(`there is no machine ${machine}`);
    return target;
  }
}
