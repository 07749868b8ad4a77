import { createHash } from "node:crypto";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { brokerName, wasimoffNamespace as namespace, type WasimoffPlan } from "../config/wasimoff";
import { wasimoffPorts } from "../config/wasimoff-eras";
import {
  brokerDeployment,
  ingressAnnotations,
  ingressPaths,
  namespaceLabels,
  networkPolicies,
  providerDeployment,
  servicePorts,
} from "./objects";
import { clientSettings, providerCommand } from "./outputs";

/** The certificate of the public name: files, or what cert-manager is to get. */
export type WasimoffCertificate =
  | {
      readonly kind: "own";
      /** Chain in PEM, the leaf first. */
      readonly certificate: string;
      readonly privateKey: pulumi.Input<string>;
    }
  | { readonly kind: "issuer"; readonly issuer: string };

/** Arguments of {@link Wasimoff}. */
export interface WasimoffArgs {
  readonly plan: WasimoffPlan;
  readonly provider: kubernetes.Provider;
  /** @default none: localhost mode */
  readonly certificate?: WasimoffCertificate | undefined;
  /** What people show at the front; asked for only where the plan says so. */
  readonly token: () => pulumi.Output<string>;
  /** What has to be up before: the ingress controller. @default nothing */
  readonly after?: pulumi.Resource | undefined;
  /** Kubernetes pulls from it. */
  readonly images: pulumi.Resource;
  /** How many times as long as usual pods may take. @default 1 */
  readonly patience?: number;
  /** What takes the whole cluster away when it goes itself. */
  readonly deletedWith?: pulumi.Resource;
}

/** Who shows the token. */
const user = "wasimoff";

/** Minutes until a pod is ready: an image of 400 MB comes over the machines' network, and Chromium starts. */
const minutes = 10;

/** A broker of WebAssembly jobs, and browsers that run them (docs/wasimoff.md). */
export class Wasimoff extends pulumi.ComponentResource {
  /** What a browser opens, and clients send to. */
  readonly url: string;
  /** How somebody joins with a machine of his own; null in localhost mode. */
  readonly providerCommand: string | null;
  /** Variables for clients. */
  readonly client: Readonly<Record<string, string>>;
  /** Secret; null where none is asked for. */
  readonly token: pulumi.Output<string> | null;

  constructor(name: string, args: WasimoffArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:wasimoff:Wasimoff", name, {}, options);
    const { plan, deletedWith, provider } = args;
    const own = { parent: this, provider, deletedWith };
    const space = new kubernetes.core.v1.Namespace(
      `${name}-namespace`,
      { metadata: { name: namespace, labels: namespaceLabels(plan) } },
      own,
    );
    const inside = { ...own, dependsOn: [space] };
    const metadata = (object: string) => ({ name: object, namespace });
    for (const [policy, spec] of Object.entries(networkPolicies(plan)))
      new kubernetes.networking.v1.NetworkPolicy(
        `${name}-policy-${policy}`,
        { metadata: metadata(policy), spec },
        inside,
      );
    this.token = plan.access.token ? args.token() : null;
    const secrets = this.#secrets(name, args, inside);
    const service = new kubernetes.core.v1.Service(
      `${name}-service`,
      {
        metadata: metadata(brokerName),
        spec: {
          type: plan.transport ? "NodePort" : "ClusterIP",
          selector: { app: "wasimoff", part: "broker" },
          ports: servicePorts(plan),
        },
      },
      inside,
    );
    const pods = {
      ...own,
      dependsOn: [space, args.images, ...secrets],
      customTimeouts: timeouts(args.patience ?? 1),
    };
    if (plan.era === "websocket")
      new kubernetes.core.v1.PersistentVolumeClaim(
        `${name}-storage`,
        {
          metadata: {
            ...metadata("storage"),
            // Of a class that waits for a pod, and the pod waits for it.
            annotations: { "pulumi.com/skipAwait": "true" },
          },
          spec: {
            accessModes: ["ReadWriteOnce"],
            resources: { requests: { storage: `${plan.broker.storageGB}G` } },
          },
        },
        inside,
      );
    const { certificate } = args;
    const fingerprint =
      certificate?.kind === "own"
        ? createHash("sha256").update(certificate.certificate).digest("hex").slice(0, 16)
        : "";
    const broker = new kubernetes.apps.v1.Deployment(
      `${name}-broker`,
      { metadata: metadata(brokerName), spec: brokerDeployment(plan, fingerprint) },
      pods,
    );
    if (plan.mode === "public")
      new kubernetes.apps.v1.Deployment(
        `${name}-provider`,
        {
          metadata: metadata("provider"),
          spec: providerDeployment(plan, plan.transport ? service.spec.clusterIP : undefined),
        },
        // One that finds no broker is not ready.
        { ...pods, dependsOn: [...pods.dependsOn, broker, service] },
      );
    if (plan.mode === "public" && !plan.transport) this.#ingress(name, args, inside);
    this.url = plan.url;
    this.providerCommand = plan.mode === "public" ? providerCommand(plan) : null;
    this.client = clientSettings(plan);
    this.registerOutputs({ url: this.url });
  }

  /** The certificate and the token's hash, where there are any. */
  #secrets(
    name: string,
    { certificate }: WasimoffArgs,
    inside: pulumi.CustomResourceOptions,
  ): pulumi.Resource[] {
    const secret = (object: string, type: string, stringData: Record<string, pulumi.Input<string>>) =>
      new kubernetes.core.v1.Secret(
        `${name}-${object}`,
        { metadata: { name: object, namespace }, type, stringData },
        inside,
      );
    return [
      ...(certificate?.kind === "own"
        ? [
            secret("certificate", "kubernetes.io/tls", {
              "tls.crt": certificate.certificate,
              "tls.key": certificate.privateKey,
            }),
          ]
        : []),
      ...(this.token ? [secret("token", "Opaque", { auth: this.token.apply(passwordLine) })] : []),
    ];
  }

  /** The way in by the public name. */
  #ingress(
    name: string,
    { plan, certificate, after }: WasimoffArgs,
    inside: pulumi.CustomResourceOptions & { readonly dependsOn: pulumi.Resource[] },
  ): void {
    new kubernetes.core.v1.Service(
      `${name}-closed`,
      {
        metadata: {
          name: "closed",
          namespace,
          // It never gets an endpoint: that is what it is for.
          annotations: { "pulumi.com/skipAwait": "true" },
        },
        spec: { ports: [{ name: "http", port: wasimoffPorts.http }] },
      },
      inside,
    );
    new kubernetes.networking.v1.Ingress(
      `${name}-ingress`,
      {
        metadata: {
          name: brokerName,
          namespace,
          annotations: {
            ...ingressAnnotations(plan),
            ...(certificate?.kind === "issuer"
              ? { "cert-manager.io/cluster-issuer": certificate.issuer }
              : {}),
            // The controller has no address to give it: it is behind the nodes' ports.
            "pulumi.com/skipAwait": "true",
          },
        },
        spec: {
          ingressClassName: "nginx",
          tls: [{ hosts: [plan.hostName], secretName: "certificate" }],
          rules: [{ host: plan.hostName, http: { paths: ingressPaths(plan) } }],
        },
      },
      { ...inside, dependsOn: [...inside.dependsOn, ...(after ? [after] : [])] },
    );
  }
}

/**
 * The line of nginx' password file. A plain hash is enough for 190 random bits, and it is asked for with every request: bcrypt
 * would take longer than most jobs.
 */
const passwordLine = (token: string): string =>
  `${user}:{SHA}${createHash("sha1").update(token).digest("base64")}`;

const timeouts = (patience: number) => {
  const time = `${minutes * patience}m`;
  return { create: time, update: time };
};
