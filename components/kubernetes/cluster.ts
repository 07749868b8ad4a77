import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { AssetHost } from "../artifact/asset-host/asset-host";
import { directoryOf, install } from "../artifact/installation/installation";
import type { ArtifactPlan } from "../artifact/plan";
import type { Registry } from "../artifact/registry/registry";
import { addressIn } from "../config/addresses";
import type { MachinePlan } from "../config/plan";
import type { Configuration } from "../config/schema";
import { keepMembership } from "../machine/membership";
import { loadScript, runScript, type ScriptRun } from "../machine/script";
import type { Target } from "../machine/target";
import type { Secrets } from "../secrets/secrets";
import { dnsObjects, renderZones, standardsObjects, storageObjects, volumesOf } from "./addons/objects";
import { apiServerGuards } from "./guard/guard";
import { encryptSecrets, prepareGuards } from "./guard/scripts";
import { paceOf } from "./member/emulation";
import { apiPort, discoveryFile, renderKubeadmConfig, upgradeOptions } from "./member/kubeadm";
import { renderKubeletConfig, renderKubeletUnit } from "./member/kubelet";
import { programs, renderRenewalTimer, renewalUnit } from "./member/programs";
import { flannelObjects } from "./network/flannel";
import { balancerEndpoint, renderBalancer, renderBalancerUnit } from "./node/balancer";
import { renderKubeconfig } from "./pki/kubeconfig";
import { clusterPki } from "./pki/pki";
import { nodePackages, planKubernetes } from "./plan";
import { stepScript, versionHook } from "./version/version";

/** A machine that becomes a node, with its container runtime. */
export interface KubernetesNode {
  readonly plan: MachinePlan;
  readonly target: Target;
}

/** Arguments of {@link KubernetesCluster}. */
export interface KubernetesClusterArgs {
  /** Name of the cluster in the kubeconfig. With another one, everything in the cluster is deleted and made anew. */
  readonly clusterName: string;
  /** All are control planes and workers. The first one that stays founds the cluster. */
  readonly nodes: readonly KubernetesNode[];
  /** Machines that pods know by their names. */
  readonly machines: readonly MachinePlan[];
  readonly settings: Configuration["kubernetes"];
  readonly artifact: ArtifactPlan;
  readonly assetHost: AssetHost;
  readonly registry: Registry;
  readonly secrets: Secrets;
  /** Name of the node that carries calling. @default none does */
  readonly callingNode?: string;
  /** Address of the host that clients use; calling tells them of it. */
  readonly publicAddress: string;
  /** A domain whose names pods ask of another server, by its IPv4 address. @default none */
  readonly forwards?: { readonly domain: string; readonly server: string };
  /** Whether the machines are emulated in software, which takes patience. */
  readonly emulated: boolean;
}

/** A Kubernetes cluster that kubeadm makes, with the network between its pods, names and volumes. */
export class KubernetesCluster extends pulumi.ComponentResource {
  /** The administrator's. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** What is deployed to the cluster goes by it. */
  readonly provider: kubernetes.Provider;
  private readonly members: ReadonlyMap<string, Target>;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: too long: nodes, members and add-ons are to be functions of their own
  constructor(name: string, args: KubernetesClusterArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:kubernetes:KubernetesCluster", name, {}, options);
    const { artifact, assetHost, settings } = args;
    const child = { parent: this };
    const plan = planKubernetes(artifact);
    const staying = args.nodes.filter((node) => !node.plan.retiring);
    const [first] = staying;
    if (!first) throw new Error("a cluster needs a node that does not retire");
    // Whoever leaves does so when those that join are there.
    const nodes = [...staying, ...args.nodes.filter((node) => node.plan.retiring)];
    const members = nodes.map((node) => ({ name: node.plan.name, address: node.plan.address }));
    const api = settings.api ?? `${first.plan.address}:${apiPort}`;
    const cluster = {
      podCidr: settings.podCidr,
      serviceCidr: settings.serviceCidr,
      endpoint: balancerEndpoint,
      emulated: args.emulated,
      guards: apiServerGuards(settings),
      certificateNames: [
        ...new Set(["127.0.0.1", "localhost", args.publicAddress, api.replace(/:\d+$/, "")]),
      ],
    };
    const pki = clusterPki(args.secrets);
    const volumes = staying.flatMap((node) => volumesOf(node.plan.name, settings.volumes.perNode));
    const program = (file: keyof typeof plan.binaries) =>
      `${directoryOf(service, plan.binaries[file])}/${file}`;

    const key = settings.encryptSecrets ? args.secrets.symmetricKey("kubernetes-secrets") : undefined;
    const prepared = nodes.map(({ plan: machine, target }) => {
      const config = renderKubeadmConfig(plan, cluster, machine);
      const installed = install(
        `${name}-${machine.name}-programs`,
        {
          service,
          packages: [...nodePackages, ...(plan.cniPlugins ? [] : ["containernetworking-plugins"])],
          units: ["haproxy"],
          files: [
            ...Object.values(plan.binaries),
            ...plan.etcdTools,
            ...(plan.cniPlugins ? [plan.cniPlugins] : []),
          ],
        },
        { target, assetHost },
        child,
      );
      const run = runScript(
        `${name}-${machine.name}-node`,
        {
          // It pulls images.
          target: { ...installed, after: [...(installed.after ?? []), args.registry.system] },
          script: loadScript(
            `${__dirname}/node`,
            "node.sh",
            `${__dirname}/node/images.sh`,
            `${__dirname}/container-runtime/image-ids.sh`,
          ),
          parameters: {
            KUBEADM: program("kubeadm"),
            KUBEADM_CONFIG: config,
            CNI_PLUGINS: plan.cniPlugins ? directoryOf(service, plan.cniPlugins) : "/usr/lib/cni",
            BALANCER_CONFIG: renderBalancer(members),
            BALANCER_UNIT: renderBalancerUnit(),
            VOLUMES: volumes
              .filter(({ node }) => node === machine.name)
              .map(({ path }) => path)
              .join("\n"),
            IMAGE_IDS: plan.imageIds,
          },
        },
        child,
      );
      const guarded = prepareGuards(
        `${name}-${machine.name}`,
        { ...target, after: [run] },
        settings,
        key,
        child,
      );
      return { machine, config, target: guarded };
    });

    const joined: ScriptRun[] = [];
    const targets = new Map<string, Target>();
    prepared.forEach(({ machine, config, target }, index) => {
      const parameters = {
        VERSION: plan.version,
        NODE: machine.name,
        ADDRESS: machine.address,
        PEERS: members
          .filter((member) => member.name !== machine.name)
          .map((member) => `${member.name} ${member.address}`)
          .join("\n"),
        FOUNDS: index === 0 ? "yes" : "no",
        RETIRING: machine.retiring ? "yes" : "no",
        KUBEADM: program("kubeadm"),
        KUBELET: program("kubelet"),
        KUBECTL: program("kubectl"),
        ETCD_TOOLS: plan.etcdTools.map((file) => directoryOf(service, file)).join("\n"),
        KUBEADM_CONFIG: config,
        UPGRADE_OPTIONS: upgradeOptions(plan, machine),
        PATCHES: Object.entries(paceOf(plan, args.emulated).patches)
          .map(([pod, patch]) => `${pod} ${JSON.stringify(patch)}`)
          .join("\n"),
        KUBELET_CONFIG: renderKubeletConfig({
          version: plan.version,
          memoryGiB: machine.memoryGiB,
          dns: addressIn(settings.serviceCidr, 10),
        }),
        KUBELET_UNIT: renderKubeletUnit(machine.address),
        PKI: pki.files,
        ADMIN: pki.admin.apply((admin) => renderKubeconfig(balancerEndpoint, admin, args.clusterName)),
        DISCOVERY: discoveryFile,
        API_NAMES: cluster.certificateNames.join("\n"),
        ...programs(),
        RENEW_UNIT: renewalUnit,
        RENEW_TIMER: renderRenewalTimer(index),
        POD_BRIDGE: plan.network.kind === "flannel" ? "yes" : "no",
      };
      joined.push(
        runScript(
          `${name}-member-${machine.name}`,
          // A later run must not found what the first one has founded.
          { target, script: memberScript(), parameters, updates: true },
          // One after another: etcd takes in one member at a time, and a change never takes two of them away.
          { ...child, dependsOn: joined.slice(-1) },
        ),
      );
    });
    const encrypted = key
      ? encryptSecrets(
          name,
          staying.map(({ plan: node }) => ({
            node,
            target: { ...targetIn(prepared, node.name), after: joined },
          })),
          key,
          child,
        )
      : joined;
    const { network } = plan;
    const addons = runScript(
      `${name}-addons`,
      {
        // After the last of them: the rolling chain has seen to the others.
        target: { ...first.target, after: encrypted },
        script: loadScript(`${__dirname}/addons`, "addons.sh"),
        parameters: {
          OBJECTS: JSON.stringify({
            apiVersion: "v1",
            kind: "List",
            items: [
              ...(network.kind === "flannel"
                ? flannelObjects({ image: network.image, podCidr: settings.podCidr })
                : []),
              ...standardsObjects(),
              ...storageObjects(volumes, settings.volumes.sizeGB),
              ...dnsObjects(args.machines, args.forwards),
            ],
          }),
          CALICO:
            network.kind === "calico"
              ? assetHost.url.apply((url) => `${url}/${network.manifests.path} ${network.manifests.sha256}`)
              : "",
          VERSION: plan.version,
          NODES: staying.map((node) => node.plan.name).join("\n"),
          ZONES: renderZones(staying.map(({ plan: machine }) => machine)),
          MARKS: args.callingNode
            ? [
                `${args.callingNode} label wire.com/role calling`,
                `${args.callingNode} annotate wire.com/external-ip ${args.publicAddress}`,
              ].join("\n")
            : "",
        },
      },
      { ...child, hooks: { beforeUpdate: [versionHook(`${name}-version`)] } },
    );
    const listed = nodes.map(({ plan: { name, retiring } }) => ({ name, retiring }));
    for (const { machine, target } of prepared) {
      const after = { ...target, after: [addons] };
      const kept = keepMembership(
        `${name}-${machine.name}-kept`,
        "kubernetes",
        after,
        listed,
        "after",
        child,
      );
      targets.set(machine.name, { ...target, after: [kept] });
    }
    this.members = targets;

    // Not by way of what a script says: a kubeconfig that is unknown while one is updated would preview nothing.
    this.kubeconfig = pki.admin.apply((admin) => renderKubeconfig(api, admin, args.clusterName));
    this.provider = new kubernetes.Provider(
      `${name}-api`,
      // What is in the cluster stays where it is when the administrator is to go to another node.
      { kubeconfig: this.kubeconfig, clusterIdentifier: args.clusterName },
      // Whoever goes by it finds a cluster that is complete.
      { ...child, dependsOn: addons },
    );
    this.registerOutputs({ kubeconfig: this.kubeconfig });
  }

  /** A node that has joined. */
  targetOf(node: string): Target {
    const target = this.members.get(node);
    if (!target) throw new Error(`there is no Kubernetes node ${node}`);
    return target;
  }
}

const targetIn = (
  prepared: readonly { readonly machine: MachinePlan; readonly target: Target }[],
  node: string,
): Target => (prepared.find(({ machine }) => machine.name === node) as { readonly target: Target }).target;

const memberScript = () => {
  const room = `${__dirname}/member`;
  return loadScript(room, "member.sh", stepScript, `${room}/change.sh`, `${room}/leave.sh`);
};

/** Where the programs lie on a node. */
const service = "kubernetes";
