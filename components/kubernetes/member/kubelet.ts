import { stringify } from "yaml";
import { minorOf } from "../plan";
import { type Amount, reservedOn } from "../room";

/** Arguments of {@link renderKubeletConfig}. */
export interface KubeletArgs {
  /** Of Kubernetes, such as `v1.36.3`. */
  readonly version: string;
  readonly memoryGiB: number;
  /** Address of the cluster's DNS. */
  readonly dns: string;
}

/** Where the kubelet's configuration lies, which is ours alone: kubeadm's copy of it is not read. */
export const kubeletConfigFile = "/etc/wiab/kubernetes/kubelet.yaml";

/** Which name server pods ask in the end: node.sh makes it a link, for systemd-resolved's own is on the node alone. */
export const resolvConf = "/etc/wiab/kubernetes/resolv.conf";

const quantities = ({ cpu, memory }: Amount) => ({ cpu: `${cpu}m`, memory: `${memory}Mi` });

/** The kubelet's configuration on one node. */
export function renderKubeletConfig({ version, memoryGiB, dns }: KubeletArgs): string {
  const { kubernetes, system, eviction } = reservedOn({ memoryGiB });
  return stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: "/etc/kubernetes/pki/ca.crt" },
    },
    authorization: { mode: "Webhook" },
    cgroupDriver: "systemd",
    // Since 1.35 it refuses control groups of version 1, which work. Ubuntu 22.04 and Debian 12 have version 2.
    ...(minorOf(version) >= 31 ? { failCgroupV1: false } : {}),
    clusterDNS: [dns],
    clusterDomain: "cluster.local",
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    healthzBindAddress: "127.0.0.1",
    resolvConf,
    rotateCertificates: true,
    staticPodPath: "/etc/kubernetes/manifests",
    kubeReserved: quantities(kubernetes),
    systemReserved: quantities(system),
    evictionHard: {
      "memory.available": `${eviction.memory}Mi`,
      "nodefs.available": "10%",
      "imagefs.available": "10%",
    },
    // Pods are told to end before the machine is switched off.
    shutdownGracePeriod: "30s",
    shutdownGracePeriodCriticalPods: "10s",
  });
}

/** The kubelet's service. kubeadm restarts it by this name. */
export const renderKubeletUnit = (address: string): string => `\
[Unit]
Description=kubelet, the agent of Kubernetes
After=containerd.service network-online.target
Wants=containerd.service network-online.target
# Until the node has joined there is nothing to run.
ConditionPathExists=|/etc/kubernetes/kubelet.conf
ConditionPathExists=|/etc/kubernetes/bootstrap-kubelet.conf

[Service]
# Before anything runs with certificates that ran out while the node was away.
ExecStartPre=-/opt/wiab/kubernetes/renew --at-start
ExecStart=/usr/local/bin/kubelet --config=${kubeletConfigFile} \\
  --kubeconfig=/etc/kubernetes/kubelet.conf --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \\
  --node-ip=${address}
Restart=always
RestartSec=5
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`;
