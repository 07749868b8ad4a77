/** Arguments of {@link flannelObjects}. */
export interface FlannelArgs {
  readonly image: string;
  /** Addresses of all pods. */
  readonly podCidr: string;
}

const namespace = "kube-flannel";
const name = "flannel";
const metadata = { name, namespace, labels: { app: name } };

/**
 * flannel on every node: it keeps the routes to the pods of the others. Each node connects its own pods by a bridge of
 * its own (member.sh), so flannel's CNI plugin is not needed.
 */
export const flannelObjects = ({ image, podCidr }: FlannelArgs): readonly object[] => [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
  },
  { apiVersion: "v1", kind: "ServiceAccount", metadata },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name },
    rules: [
      { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
      { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
    ],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata,
    data: {
      // All nodes are on one network: packets need no wrapping, and keep their full size.
      "net-conf.json": JSON.stringify({ Network: podCidr, Backend: { Type: "host-gw" } }),
    },
  },
  {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata,
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          hostNetwork: true,
          priorityClassName: "system-node-critical",
          tolerations: [{ operator: "Exists" }],
          serviceAccountName: name,
          containers: [
            {
              name,
              image,
              args: ["--ip-masq", "--kube-subnet-mgr"],
              env: [
                { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
                { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
              ],
              resources: { requests: { cpu: "50m", memory: "50Mi" } }, // components/kubernetes/room.ts counts them
              securityContext: { capabilities: { add: ["NET_ADMIN", "NET_RAW"] } },
              volumeMounts: [
                { name: "run", mountPath: "/run/flannel" },
                { name: "configuration", mountPath: "/etc/kube-flannel" },
                { name: "xtables-lock", mountPath: "/run/xtables.lock" },
              ],
            },
          ],
          volumes: [
            { name: "run", hostPath: { path: "/run/flannel", type: "DirectoryOrCreate" } },
            { name: "configuration", configMap: { name } },
            { name: "xtables-lock", hostPath: { path: "/run/xtables.lock", type: "FileOrCreate" } },
          ],
        },
      },
    },
  },
];
