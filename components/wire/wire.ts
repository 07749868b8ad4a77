import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { publicNames } from "../config/names";
import { namespaceOf, type ReleaseName, releases } from "../config/releases";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";
import { type MediaPorts, shareMediaPorts } from "./calling/ports";
import { releaseHooks } from "./cluster/hooks";
import type { WireContext } from "./context";
import { databaseSecrets } from "./database-secrets";
import { type NetworkPolicyArgs, networkPolicies } from "./network-policies";
import { adminCommands, urlsOf } from "./outputs";
import { planReleases, type ReleaseRequest, type ReleaseSources } from "./plan";
import { turnUris } from "./releases/brig";
import { authoritySecret } from "./releases/databases";
import { fingerprintOf } from "./tls";

/** Arguments of {@link Wire}. */
export interface WireArgs extends ReleaseSources, MediaPorts {
  readonly context: WireContext;
  readonly provider: kubernetes.Provider;
  /** The step after which every image can be pulled. */
  readonly images: pulumi.Resource;
  /** With keys inside; it and the provider lead to the same API server. */
  readonly kubeconfig: pulumi.Output<string>;
  /**
   * A machine from which the public names are looked at. None of the cluster: where the host filters bridged packets,
   * a node cannot reach itself through the public address (docs/troubleshooting.md).
   */
  readonly viewpoint: Target;
  /** The machine that carries calling. @default none: calling is off */
  readonly callingTarget?: Target;
  /** What the policies between pods depend on. @default none are made */
  readonly policies?: NetworkPolicyArgs;
  /** What forwards the public ports, without which no public name answers. @default somebody else's, in place already */
  readonly firewall?: pulumi.Resource;
  /** How many times as long as {@link releases} says Helm waits. @default 1 */
  readonly patience?: number;
  /** What takes the whole cluster away when it goes itself. @default nothing does */
  readonly deletedWith?: pulumi.Resource;
}

/** How a release stands, from Helm. */
export interface ReleaseState {
  readonly status: pulumi.Output<string>;
  readonly chart: pulumi.Output<string>;
  readonly revision: pulumi.Output<number>;
}

/** How long it may take until every public name answers, in seconds; Let's Encrypt may take its time. */
const frontSeconds = { own: 300, acme: 900 } as const;

/**
 * Wire itself, as Helm releases. 15 of the 18 wait for no other release: the order of the rest is in
 * {@link predecessors}.
 */
export class Wire extends pulumi.ComponentResource {
  readonly urls: Readonly<Record<string, string>>;
  readonly federationDomain: string;
  /** The relays that brig tells clients of; none without calling. */
  readonly turnUris: readonly string[];
  /** The server of conference calls. @default none without calling */
  readonly sftUrl: string | undefined;
  /** Commands for a control plane node, by what they do. */
  readonly adminCommands: Readonly<Record<string, string>>;
  /** Known once all are up. */
  readonly releases: Readonly<Partial<Record<ReleaseName, ReleaseState>>>;

  constructor(name: string, args: WireArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:wire:Wire", name, {}, options);
    const { context, provider, deletedWith } = args;
    const { domain, publicAddress, callingNode, tls, features, federation } = context;
    const own = { parent: this, provider, deletedWith };

    const authority = [
      context.services.cassandra,
      context.services.elasticsearch,
      context.services.rabbitmq,
    ].find((service) => service.authority)?.authority;
    const preparations: Partial<Record<ReleaseName, pulumi.Resource[]>> = {
      "postgresql-external": databaseSecrets(name, context, own),
    };
    if (authority)
      preparations["wire-server"] = [
        new kubernetes.core.v1.Secret(
          `${name}-authority`,
          { metadata: { name: authoritySecret.name }, stringData: { [authoritySecret.key]: authority } },
          own,
        ),
      ];
    if (callingNode && args.callingTarget) {
      const ports = shareMediaPorts(`${name}-calling-ports`, args.callingTarget, args, {
        parent: this,
      });
      preparations.sftd = [ports];
      preparations.coturn = [ports];
    }

    for (const [policy, spec] of Object.entries(args.policies ? networkPolicies(args.policies) : {}))
      new kubernetes.networking.v1.NetworkPolicy(
        `${name}-policy-${policy}`,
        { metadata: { name: policy, namespace: "default" }, spec },
        own,
      );

    const hooks = releaseHooks(name, args.kubeconfig);
    const made: Partial<Record<ReleaseName, kubernetes.helm.v3.Release>> = {};
    for (const { name: release, chart: reference, values } of inOrder(planReleases(context, args))) {
      const { fingerprint, ...chart } = reference;
      const dependsOn = [
        args.images,
        ...predecessors[release].flatMap((earlier) => made[earlier] ?? []),
        ...(preparations[release] ?? []),
      ];
      made[release] = new kubernetes.helm.v3.Release(
        `${name}-${release}`,
        {
          ...chart,
          name: release,
          namespace: namespaceOf(release),
          createNamespace: namespaceOf(release) !== "default",
          values,
          timeout: releases[release].minutes * 60 * (args.patience ?? 1),
          waitForJobs: true,
          // Rolling back would take the evidence away with the failure; the next run goes on from here.
          atomic: false,
          maxHistory: 5,
          description: `chart ${fingerprint}`,
        },
        { ...own, dependsOn, hooks },
      );
    }

    // That pods are ready says nothing of the way to them: a certificate, an ingress, the firewall.
    runScript(
      `${name}-front`,
      {
        target: args.viewpoint,
        script: loadScript(`${__dirname}/front`, "front.sh"),
        parameters: {
          ADDRESS: publicAddress,
          NAMES: publicNames(domain, {
            teamSettings: features.teamSettings,
            calling: callingNode !== undefined,
            federation: federation !== undefined,
          }).join(" "),
          FINGERPRINT: tls.kind === "own" ? fingerprintOf(tls.certificate) : "",
          SECONDS_TO_WAIT: `${frontSeconds[tls.kind]}`,
        },
      },
      { parent: this, dependsOn: [...Object.values(made), ...(args.firewall ? [args.firewall] : [])] },
    );

    this.urls = urlsOf(context);
    this.federationDomain = context.federationDomain;
    this.turnUris = callingNode ? turnUris(publicAddress) : [];
    this.sftUrl = this.urls.sftd;
    this.adminCommands = adminCommands(domain);
    this.releases = Object.fromEntries(
      Object.entries(made).map(([release, { status }]): [string, ReleaseState] => [
        release,
        {
          status: status.apply((state) => state?.status ?? "unknown"),
          chart: status.apply((state) => state?.version ?? "unknown"),
          revision: status.apply((state) => state?.revision ?? 0),
        },
      ]),
    );
    this.registerOutputs({ urls: this.urls, releases: this.releases });
  }
}

/**
 * The releases that have to be up before another begins. Everything else goes side by side: pods find one another by
 * name, and begin anew until they do.
 */
export const predecessors: Readonly<Record<ReleaseName, readonly ReleaseName[]>> = {
  "cassandra-external": [],
  "elasticsearch-external": [],
  "minio-external": [],
  "postgresql-external": [],
  "rabbitmq-external": [],
  "fake-aws": [],
  smtp: [],
  "databases-ephemeral": [],
  reaper: [],
  // Its hooks make tables and an index before any of its pods is there; they want no Redis and no queues of Amazon's.
  "wire-server": [
    "cassandra-external",
    "elasticsearch-external",
    "minio-external",
    "postgresql-external",
    "rabbitmq-external",
  ],
  webapp: [],
  "account-pages": [],
  "team-settings": [],
  // The controller judges every Ingress that is made, and refuses all of them while it is not up.
  "smallstep-accomp": ["ingress-nginx-controller"],
  "ingress-nginx-controller": [],
  "cert-manager": [],
  // Besides: an issuer is a kind of resource that cert-manager brings.
  "nginx-ingress-services": ["ingress-nginx-controller", "cert-manager"],
  // Besides: nginx-ingress-services makes the issuer of its certificate.
  sftd: ["ingress-nginx-controller", "nginx-ingress-services"],
  coturn: [],
};

/** Releases with each after those that it waits for. */
const inOrder = (chosen: readonly ReleaseRequest[]): ReleaseRequest[] => {
  const depth = (release: ReleaseName): number =>
    1 + Math.max(0, ...predecessors[release].map((earlier) => depth(earlier)));
  return [...chosen].sort((a, b) => depth(a.name) - depth(b.name));
};
