import { z } from "zod";
import { ipv4Network as cidr } from "./forms";

/** Settings of the Kubernetes cluster; its version is what the artifact holds. */
export const kubernetes = z.strictObject({
  podCidr: cidr
    .default("10.233.64.0/18")
    .describe("Addresses of pods: each node takes a /24 of it. Only the nodes know them."),
  serviceCidr: cidr.default("10.233.0.0/18").describe("Addresses of services, known in the cluster alone."),
  api: z
    .string()
    .regex(
      /^(?!.*\.\d+:)[a-z0-9]([a-z0-9.-]*[a-z0-9])?:[1-9][0-9]{0,4}$|^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d):[1-9][0-9]{0,4}$/,
      "must be a name or IPv4 address with a port and nothing else, such as 127.0.0.1:6443",
    )
    .optional()
    .describe(
      "Where the workstation reaches the API if not at the first kubenode's own address: the near end of an SSH tunnel, for example `127.0.0.1:6443`.",
    ),
  encryptSecrets: z
    .boolean()
    .default(false)
    .describe(
      "Kubernetes' secrets are encrypted in etcd, with a key of the stack's. A cluster that is there takes it on, one control plane after another; it cannot be taken back.",
    ),
  auditLog: z
    .boolean()
    .default(false)
    .describe(
      "Each API server writes down who did what, in `/var/log/kubernetes-audit` on its node: changes, and who reads secrets, never their contents. 1.1 GB at most.",
    ),
  networkPolicies: z
    .boolean()
    .default(true)
    .describe(
      "Network policies for Wire's pods (docs/security.md), where the artifact brings Calico: flannel enforces none, and none are made.",
    ),
  volumes: z
    .strictObject({
      perNode: z.int().min(0).max(64).default(4).describe("Volumes on each kubenode."),
      sizeGB: z
        .int()
        .positive()
        .default(10)
        .describe("Size that each claims to have, in GB. Nothing holds a pod to it: they share the disk."),
    })
    .prefault({})
    .describe(
      "Volumes that charts may claim: folders on the kubenodes' disks, of the default storage class.",
    ),
});
