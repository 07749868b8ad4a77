import { stringify } from "yaml";
import type { ApiServerGuards } from "../guard/guard";
import { type KubernetesPlan, minorOf } from "../plan";
import { paceOf } from "./emulation";

/** What is the same for the whole cluster. */
export interface ClusterSettings {
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** `host:port` at which every node finds an API server. */
  readonly endpoint: string;
  /** Names and addresses that the API is reached by, besides the nodes' own. */
  readonly certificateNames: readonly string[];
  /** Whether the machines are emulated in software. */
  readonly emulated: boolean;
  readonly guards: ApiServerGuards;
}

/** What a node is called, and its address. */
export interface Member {
  readonly name: string;
  readonly address: string;
  /** How to log in to a machine that was there before the stack. */
  readonly existing?: object;
}

/** Where a run of kubeadm puts the kubeconfig of the cluster that a node joins. */
export const discoveryFile = "/dev/shm/wiab-join.conf";

/** Where kubeadm finds what it is to change of its manifests; member.sh writes it. */
const patchFolder = "/etc/wiab/kubernetes/patches";

/**
 * The configuration of kubeadm, in the newest format that its version has: v1beta4 came with 1.31. The same text serves
 * `init`, `join` and, since then, `upgrade`, each of which reads the documents that are its own.
 */
export function renderKubeadmConfig(plan: KubernetesPlan, cluster: ClusterSettings, node: Member): string {
  const beta4 = hasBeta4(plan);
  const pace = paceOf(plan, cluster.emulated);
  const { patience } = pace;
  const apiVersion = `kubeadm.k8s.io/${beta4 ? "v1beta4" : "v1beta3"}`;
  const args = (values: Readonly<Record<string, string>>) =>
    beta4 ? Object.entries(values).map(([name, value]) => ({ name, value })) : values;
  const withArgs = (values: Readonly<Record<string, string>>) =>
    Object.keys(values).length > 0 ? { extraArgs: args(values) } : {};
  const nodeRegistration = {
    name: node.name,
    criSocket: "unix:///run/containerd/containerd.sock",
    // Control planes carry workloads as well.
    taints: [],
    ...ignored(node),
  };
  const localAPIEndpoint = { advertiseAddress: node.address, bindPort: apiPort };
  const timeouts = beta4
    ? {
        timeouts: {
          controlPlaneComponentHealthCheck: patience,
          kubeletHealthCheck: patience,
          etcdAPICall: patience,
          kubernetesAPICall: patience,
          tlsBootstrap: patience,
          discovery: patience,
          upgradeManifests: patience,
        },
      }
    : {};
  const patches = { directory: patchFolder };
  const documents = [
    {
      apiVersion,
      kind: "InitConfiguration",
      // Nobody joins by a token: kubeadm wants to make one all the same.
      bootstrapTokens: [{ ttl: "1m0s" }],
      localAPIEndpoint,
      nodeRegistration,
      patches,
      ...timeouts,
    },
    {
      apiVersion,
      kind: "JoinConfiguration",
      controlPlane: { localAPIEndpoint },
      discovery: {
        file: { kubeConfigPath: discoveryFile },
        ...(beta4 ? {} : { timeout: patience }),
      },
      nodeRegistration,
      patches,
      ...timeouts,
    },
    ...(beta4
      ? [
          {
            apiVersion,
            kind: "UpgradeConfiguration",
            apply: { patches, ...ignored(node) },
            node: { patches, ...ignored(node) },
            ...timeouts,
          },
        ]
      : []),
    {
      apiVersion,
      kind: "ClusterConfiguration",
      kubernetesVersion: plan.version,
      controlPlaneEndpoint: cluster.endpoint,
      networking: { podSubnet: cluster.podCidr, serviceSubnet: cluster.serviceCidr },
      imageRepository: plan.repository,
      // As the authorities themselves are; and RSA is slow to sign with. Older formats know RSA alone.
      ...(beta4 ? { encryptionAlgorithm: "ECDSA-P256" } : {}),
      dns: { imageRepository: plan.coredns.repository, imageTag: plan.coredns.tag },
      etcd: {
        local: {
          imageRepository: plan.etcd.repository,
          imageTag: plan.etcd.tag,
          // A machine that shares its disk with others needs longer than etcd's 0.1 and 1 s (kubespray has these).
          ...withArgs({ "heartbeat-interval": "250", "election-timeout": "5000" }),
        },
      },
      apiServer: {
        certSANs: cluster.certificateNames,
        ...withArgs({ ...pace.apiServer, ...cluster.guards.args }),
        ...(cluster.guards.volumes.length > 0 ? { extraVolumes: cluster.guards.volumes } : {}),
        ...(beta4 ? {} : { timeoutForControlPlane: patience }),
      },
      controllerManager: withArgs(pace.leaders),
      scheduler: withArgs(pace.leaders),
    },
    {
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      // The kernel's own limit of connections follows from its memory, and is not a container's to change.
      conntrack: { maxPerCore: 0, min: 0 },
    },
  ];
  return documents
    .map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join("---\n");
}

/** What `kubeadm upgrade` is told: to read that configuration, where it has a document for it. */
export const upgradeOptions = (plan: KubernetesPlan, node: Member): string =>
  hasBeta4(plan)
    ? "--config /etc/wiab/kubernetes/kubeadm.yaml"
    : [
        `--patches ${patchFolder}`,
        ...(ignored(node).ignorePreflightErrors ?? []).map((check) => `--ignore-preflight-errors ${check}`),
      ].join(" ");

const hasBeta4 = ({ version }: KubernetesPlan): boolean => minorOf(version) >= 31;

/**
 * A machine that is there already has the kernel that it has; a container's may have control groups of version 1, which
 * kubeadm refuses since 1.35 whatever the kubelet is told.
 */
const ignored = ({ existing }: Member): { readonly ignorePreflightErrors?: readonly string[] } =>
  existing ? { ignorePreflightErrors: ["SystemVerification"] } : {};

/** TCP port of an API server on its node. */
export const apiPort = 6443;
