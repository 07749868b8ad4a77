/** The class of volumes that charts get when they ask for none in particular. */
export const storageClass = "local";

/** A volume: a folder on a node's disk. */
export interface Volume {
  /** Name of the node. */
  readonly node: string;
  readonly name: string;
  readonly path: string;
}

/** The volumes of a node. */
export const volumesOf = (node: string, count: number): readonly Volume[] =>
  Array.from({ length: count }, (_, index) => ({
    node,
    name: `${node}-${index + 1}`,
    path: `/var/lib/wiab/volumes/${index + 1}`,
  }));

/**
 * Storage without a program that provides it: volumes that are there, and a class that waits for a pod before it
 * chooses one, so that the pod's node decides.
 */
export const storageObjects = (volumes: readonly Volume[], sizeGB: number): readonly object[] => [
  {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: {
      name: storageClass,
      annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
    },
    provisioner: "kubernetes.io/no-provisioner",
    volumeBindingMode: "WaitForFirstConsumer",
    // What somebody has stored is not for a machine to take away.
    reclaimPolicy: "Retain",
  },
  ...volumes.map(({ node, name, path }) => ({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: {
      capacity: { storage: `${sizeGB}G` },
      accessModes: ["ReadWriteOnce"],
      storageClassName: storageClass,
      persistentVolumeReclaimPolicy: "Retain",
      local: { path },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }] },
          ],
        },
      },
    },
  })),
];

/**
 * The namespace of Wire's releases, with the standard of Pod Security that they should keep. It is not enforced: calling is in its
 * node's own network, which `baseline` refuses, and all releases share the namespace.
 */
export const standardsObjects = (): readonly object[] => [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: "default",
      labels: Object.fromEntries(
        ["audit", "warn"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "baseline"]),
      ),
    },
  },
];

/**
 * The cluster's DNS: its own names, then the machines', then whatever the node asks, which is the host's server.
 * `forwards` names a domain that another server is asked for. kubeadm has made the deployment and reads this one back at an upgrade.
 */
export const dnsObjects = (
  machines: readonly { readonly name: string; readonly address: string }[],
  forwards?: { readonly domain: string; readonly server: string },
): readonly object[] => [
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "coredns", namespace: "kube-system" },
    data: {
      Corefile: `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    hosts {
${machines.map(({ name, address }) => `       ${address} ${name}`).join("\n")}
       fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
${
  forwards
    ? `${forwards.domain}:53 {
    errors
    forward . ${forwards.server}
    cache 30
    reload
}
`
    : ""
}`,
    },
  },
];

/** Nodes with their zones, one a line; empty where none has one. */
export const renderZones = (nodes: readonly { readonly name: string; readonly zone?: string }[]): string =>
  nodes.some(({ zone }) => zone !== undefined)
    ? nodes.map(({ name, zone = "" }) => `${name} ${zone}`.trimEnd()).join("\n")
    : "";
