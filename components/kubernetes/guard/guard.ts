import { stringify } from "yaml";
import type { Configuration } from "../../config/schema";

/** Where a control plane has the files of its guards. kubeadm's reset leaves the folder alone. */
export const guardFolder = "/etc/wiab/kubernetes/guard";

const auditFolder = "/var/log/kubernetes-audit";

/** What kubeadm is told of the API server; keys of `args` are those of its options. */
export interface ApiServerGuards {
  readonly args: Readonly<Record<string, string>>;
  readonly volumes: readonly {
    readonly name: string;
    readonly hostPath: string;
    readonly mountPath: string;
    readonly readOnly: boolean;
    readonly pathType: "DirectoryOrCreate";
  }[];
}

type Settings = Pick<Configuration["kubernetes"], "encryptSecrets" | "auditLog">;

/** Nothing where neither is asked for, so that a cluster without them keeps its manifests. */
export function apiServerGuards({ encryptSecrets, auditLog }: Settings): ApiServerGuards {
  const folder = (name: string, path: string, readOnly: boolean) =>
    ({ name, hostPath: path, mountPath: path, readOnly, pathType: "DirectoryOrCreate" }) as const;
  return {
    args: {
      ...(encryptSecrets && {
        "encryption-provider-config": `${guardFolder}/encryption.yaml`,
        // The order of keys changes while it runs.
        "encryption-provider-config-automatic-reload": "true",
      }),
      ...(auditLog && {
        "audit-policy-file": `${guardFolder}/audit.yaml`,
        "audit-log-path": `${auditFolder}/audit.log`,
        // Megabytes, files and days: 1.1 GB at most.
        "audit-log-maxsize": "100",
        "audit-log-maxbackup": "10",
        "audit-log-maxage": "30",
      }),
    },
    volumes: [
      ...(encryptSecrets || auditLog ? [folder("guard", guardFolder, true)] : []),
      ...(auditLog ? [folder("audit", auditFolder, false)] : []),
    ],
  };
}

/**
 * Secrets in etcd: what they are written with comes first, and all are read. A control plane that has just got the key only
 * reads with it, for the others may not have it yet.
 * @param key - 32 bytes in hexadecimal digits.
 */
export const renderEncryption = (key: string, writes: boolean): string => {
  const own = {
    secretbox: { keys: [{ name: "stack", secret: Buffer.from(key, "hex").toString("base64") }] },
  };
  const plain = { identity: {} };
  return stringify({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "EncryptionConfiguration",
    resources: [{ resources: ["secrets"], providers: writes ? [own, plain] : [plain, own] }],
  });
};

/** What is written down: who did what to what, never what a secret says; nothing of reading and of the machinery's own turns. */
export const auditPolicy: string = stringify({
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    { level: "None", nonResourceURLs: ["/healthz*", "/readyz*", "/livez*", "/openapi*", "/version"] },
    {
      level: "None",
      resources: [
        { group: "coordination.k8s.io", resources: ["leases"] },
        { group: "", resources: ["events"] },
        { group: "events.k8s.io", resources: ["events"] },
        { group: "", resources: ["nodes/status", "pods/status"] },
      ],
    },
    // Whoever reads a secret is worth a line.
    { level: "Metadata", resources: [{ group: "", resources: ["secrets", "serviceaccounts/token"] }] },
    { level: "None", verbs: ["get", "list", "watch"] },
    { level: "Metadata" },
  ],
});
