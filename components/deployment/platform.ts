import { Artifact } from "../artifact/artifact";
import { type ArtifactPlan, storePath } from "../artifact/plan";
import { Backups } from "../backup/client";
import { OffHost } from "../backup/offhost";
import { BackupStore } from "../backup/store";
import { DataServices } from "../data-services/data-services";
import type { Firewall } from "../host/firewall/firewall";
import { TimeServer } from "../host/time/time-server";
import { KubernetesCluster, type KubernetesNode } from "../kubernetes/cluster";
import { prepareNodes } from "../kubernetes/nodes";
import { planKubernetes } from "../kubernetes/plan";
import type { Machine } from "../machine/machine";
import { MeshServices } from "../mesh/kubernetes";
import { Mesh, resolveBy } from "../mesh/mesh";
import { planMeshPrograms } from "../mesh/plan";
import type { Secrets } from "../secrets/secrets";
import { Wasimoff } from "../wasimoff/wasimoff";
import { wireServices } from "../wire/context";
import type { NetworkPolicyArgs } from "../wire/network-policies";
import { Wire } from "../wire/wire";
import type { HostOf } from "./host";
import type { Deployment } from "./load";

/** What a platform is made of. */
export interface PlatformArgs extends Deployment {
  readonly artifact: ArtifactPlan;
  readonly host: HostOf;
  /** Undefined where somebody else makes it. */
  readonly firewall: Firewall | undefined;
  readonly machines: readonly Machine[];
  readonly secrets: Secrets;
}

/** Everything that an artifact puts on the machines. */
export interface Platform {
  readonly artifact: Artifact;
  /** Undefined where the stack is the gateway of a mesh alone, as are the data services. */
  readonly cluster: KubernetesCluster | undefined;
  readonly dataServices: DataServices | undefined;
  /** Undefined where the site is on its own. */
  readonly mesh: Mesh | undefined;
  /** Undefined where backups are brought nowhere else. */
  readonly offHost: OffHost | undefined;
  /** Undefined without charts. */
  readonly wire: Wire | undefined;
  /** Undefined where there is none. */
  readonly wasimoff: Wasimoff | undefined;
}

/**
 * Puts an artifact on the machines: supplies for all of them, data services and Kubernetes side by side, backups of both,
 * and Wire. Functions and no component: the resources below have been the stack's own from the first version on.
 */
export function makePlatform(args: PlatformArgs): Platform {
  const artifact = makeArtifact(args);
  if (args.plan.gatewayAlone)
    return {
      artifact,
      cluster: undefined,
      dataServices: undefined,
      mesh: makeMesh(args, artifact, undefined),
      offHost: undefined,
      wire: undefined,
      wasimoff: undefined,
    };
  const dataServices = makeDataServices(args, artifact);
  const nodes = prepareNodes({
    kubenodes: args.plan.kubenodes,
    plan: args.artifact,
    artifact,
    seed: args.config.artifact?.seed ?? "needed",
    registry: args.registry,
  });
  const cluster = makeCluster(args, artifact, nodes);
  const offHost = makeBackups(args, artifact, cluster, dataServices);
  const wire = makeWire(args, artifact, dataServices, cluster, nodes);
  return {
    artifact,
    cluster,
    dataServices,
    mesh: makeMesh(args, artifact, cluster),
    offHost,
    wire,
    wasimoff: makeWasimoff(args, artifact, cluster, wire),
  };
}

function makeArtifact({ config, plan, artifact, registry, host, machines, secrets }: PlatformArgs): Artifact {
  const { network } = config;
  const time =
    host.hypervisor &&
    plan.gateway &&
    new TimeServer("time", {
      target: host.target,
      network: host.hypervisor.network,
      networkName: network.name,
      gateway: plan.gateway,
      cidr: network.cidr,
    });
  return new Artifact("artifact", {
    plan: artifact,
    host: host.target,
    storePath: storePath(config),
    machines: machines.filter(({ plan: { role } }) => role !== "wickr"),
    domain: config.domain,
    secrets,
    registry,
    timeServer: time ? time.address : (network.timeServer ?? ""),
  });
}

const makeDataServices = (
  { config, plan, artifact, secrets }: PlatformArgs,
  supplied: Artifact,
): DataServices =>
  new DataServices("data-services", {
    nodes: plan.datanodes.map((node) => ({ ...node, target: supplied.targetOf(node.name) })),
    clients: plan.kubenodes.map(({ address }) => address),
    artifact,
    assetHost: supplied.assetHost,
    secrets,
    settings: config.dataServices,
  });

const makeCluster = (
  { config, plan, artifact, secrets }: PlatformArgs,
  { assetHost, registry }: Artifact,
  nodes: readonly KubernetesNode[],
): KubernetesCluster =>
  new KubernetesCluster("kubernetes", {
    clusterName: config.network.name,
    nodes,
    machines: plan.wireMachines,
    settings: config.kubernetes,
    artifact,
    assetHost,
    registry,
    secrets,
    callingNode: plan.callingNode?.name,
    publicAddress: config.firewall.publicAddress,
    forwards: plan.mesh && { domain: plan.mesh.domain, server: plan.mesh.machine.address },
    emulated: plan.emulated,
  });

function makeBackups(
  { config, plan, secrets }: PlatformArgs,
  { assetHost }: Artifact,
  cluster: KubernetesCluster,
  dataServices: DataServices,
): OffHost | undefined {
  const services = Object.keys(dataServices.connections);
  const nodes = [
    ...plan.kubenodes.map(({ name, address, retiring }) => ({
      ...{ name, address, target: cluster.targetOf(name) },
      services: retiring ? [] : ["etcd"],
    })),
    ...plan.datanodes.map(({ name, address }) => ({
      ...{ name, address, target: dataServices.targetOf(name) },
      services,
    })),
  ].map((node) => ({ ...node, ...secrets.backupIdentity(node.name) }));
  const store = new BackupStore("backups", {
    target: assetHost.target,
    address: plan.assethost.address,
    nodes,
    retention: config.backup,
  });
  for (const { name, target, privateKey, services: own } of nodes)
    new Backups(`backups-${name}`, {
      node: { name, target },
      store,
      privateKey,
      certificate: secrets.backups.certificate,
      services: own,
      schedule: config.backup.schedule,
    });
  const place = config.backup.offHost;
  return (
    place &&
    new OffHost("offhost", { target: assetHost.target, store, place, identity: secrets.offHostIdentity() })
  );
}

function makeMesh(
  { plan, artifact, mesh: identity, host }: PlatformArgs,
  supplied: Artifact,
  cluster: KubernetesCluster | undefined,
): Mesh | undefined {
  if (!plan.mesh || !identity) return undefined;
  const { machine, gateway } = plan.mesh;
  const mesh = new Mesh("mesh", {
    plan: plan.mesh,
    programs: planMeshPrograms(artifact),
    target: supplied.targetOf(gateway),
    address: machine.address,
    assetHost: supplied.assetHost,
    identity,
  });
  for (const { name } of plan.wireMachines)
    resolveBy(`mesh-${name}-names`, plan.mesh, machine.address, supplied.targetOf(name), mesh);
  if (cluster)
    new MeshServices("mesh-services", {
      target: mesh.target,
      provider: cluster.provider,
      kubeconfig: cluster.kubeconfig,
      nodes: plan.servingKubenodes.map(({ address }) => address),
      deletedWith: host.hypervisor?.network,
    });
  return mesh;
}

const makeWasimoff = (
  { plan, wasimoff, host, secrets }: PlatformArgs,
  { registry }: Artifact,
  cluster: KubernetesCluster,
  wire: Wire | undefined,
): Wasimoff | undefined =>
  plan.wasimoff &&
  new Wasimoff("wasimoff", {
    plan: plan.wasimoff,
    provider: cluster.provider,
    certificate: wasimoff,
    token: () => secrets.wasimoffToken(),
    // The ingress controller is one of its releases, and so is what gets certificates.
    after: wire,
    images: registry.filled,
    patience: patienceOf(plan),
    deletedWith: host.hypervisor?.network,
  });

/** Machines that are emulated in software unpack an image in minutes. */
const patienceOf = ({ emulated }: Deployment["plan"]): number => (emulated ? 6 : 1);

/** Flannel enforces no policies: there they would only look as if they did. */
const policiesOf = (
  { datanodes, mesh }: Deployment["plan"],
  artifact: ArtifactPlan,
): NetworkPolicyArgs | undefined =>
  planKubernetes(artifact).network.kind === "calico"
    ? { datanodes: datanodes.map(({ address }) => address), gateway: mesh?.machine.address }
    : undefined;

function makeWire(
  { config, plan, artifact, wire, host, firewall, secrets }: PlatformArgs,
  { assetHost, registry }: Artifact,
  dataServices: DataServices,
  cluster: KubernetesCluster,
  nodes: readonly KubernetesNode[],
): Wire | undefined {
  if (!wire) return undefined;
  return new Wire("wire", {
    ...wire,
    context: { ...wire.known, services: wireServices(dataServices.connections), secrets },
    provider: cluster.provider,
    images: registry.filled,
    kubeconfig: cluster.kubeconfig,
    viewpoint: assetHost.target,
    callingTarget: nodes.find((node) => node.plan.name === plan.callingNode?.name)?.target,
    firewall,
    policies: config.kubernetes.networkPolicies ? policiesOf(plan, artifact) : undefined,
    firstMediaPort: config.calling.firstMediaPort,
    hostPorts: config.firewall.hostPorts,
    patience: patienceOf(plan),
    deletedWith: host.hypervisor?.network,
  });
}
