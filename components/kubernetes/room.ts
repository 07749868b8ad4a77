import type { PodNetwork } from "./plan";

/** What pods ask for, or a node has for them: of its processors in thousandths, of its memory in MiB. */
export interface Amount {
  readonly cpu: number;
  readonly memory: number;
}

/**
 * What the kubelet keeps for itself, containerd and the system, so that pods that take all they can get leave a node that
 * still answers. Kubernetes' own part runs in memory that grows with the number of pods, hence a share of it.
 */
export const reservedOn = ({ memoryGiB }: { readonly memoryGiB: number }) => ({
  kubernetes: { cpu: 100, memory: Math.round(128 + 0.03 * memoryGiB * 1024) },
  system: { cpu: 100, memory: 128 },
  /** Free memory below which pods are evicted. */
  eviction: { cpu: 0, memory: 100 },
});

/** What kubeadm's manifests ask for on every node, each of which is a control plane (its constants up to 1.36). */
const controlPlane: readonly Amount[] = [
  { cpu: 250, memory: 0 }, // kube-apiserver
  { cpu: 200, memory: 0 }, // kube-controller-manager
  { cpu: 100, memory: 0 }, // kube-scheduler
  { cpu: 100, memory: 100 }, // etcd
];

/** flannel's pod of each node asks for what network/flannel.ts says, Calico's for what its own manifests say. */
export const networkPod: Readonly<Record<PodNetwork["kind"], Amount>> = {
  flannel: { cpu: 50, memory: 50 },
  calico: { cpu: 250, memory: 0 },
};

/** The cluster's DNS, as kubeadm's manifest has it. */
export const dnsPods = { pods: 2, cpu: 100, memory: 70 } as const;

/** What a node has for pods that are not of every cluster; the cluster's DNS is among those that it has room for. */
export function roomOn(
  node: { readonly memoryGiB: number; readonly vcpus: number },
  network: PodNetwork["kind"],
): Amount {
  const taken = [...Object.values(reservedOn(node)), ...controlPlane, networkPod[network]];
  const rest = (has: number, resource: keyof Amount) =>
    taken.reduce((room, amount) => room - amount[resource], has);
  return { cpu: rest(node.vcpus * 1000, "cpu"), memory: rest(node.memoryGiB * 1024, "memory") };
}
