/** Where containerd looks for the mirrors of registries. */
export const certificateDirectory = "/etc/containerd/certs.d";

/**
 * containerd's configuration, in the format that both 1.7 and 2.x read.
 * @param sandboxImage - The image of the container that holds a pod's namespaces.
 */
export const renderContainerdConfig = (sandboxImage: string): string => `\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${sandboxImage}"
# Whoever may not make a process less likely to be killed than itself leaves it at that; the unit below is at the top.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "${certificateDirectory}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

# As kubelet does it: systemd alone manages control groups.
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
`;

/** containerd's service: containers outlive it, so that a restart for a new configuration stops nobody. */
export const renderContainerdUnit = (): string => `\
[Unit]
Description=containerd, the container runtime of Kubernetes
After=network.target local-fs.target

[Service]
Type=notify
ExecStartPre=-modprobe overlay
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNOFILE=1048576
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
`;

/** Tells crictl where containerd is. */
export const renderCrictlConfig = (): string => `\
runtime-endpoint: unix:///run/containerd/containerd.sock
image-endpoint: unix:///run/containerd/containerd.sock
timeout: 60
`;

/** Where a node has the certificate of the stack's authority, and those of another registry's. */
export const authorities = { stack: "/etc/wiab/ca.crt", registry: "/etc/wiab/registry-ca.crt" } as const;

/** How containerd asks a mirror. */
export interface HostsOptions {
  /** File with the certificates of its authority. @default those that the system knows */
  readonly authority?: string;
  /** Whom it asks as. @default nobody */
  readonly account?: { readonly username: string; readonly password: string };
}

/**
 * What containerd asks in place of a registry: ours, and no other if ours does not have an image.
 * @param mirror - `host:port` of the registry.
 */
export const renderHosts = (mirror: string, { authority, account }: HostsOptions): string =>
  [
    `server = "https://${mirror}"`,
    "",
    `[host."https://${mirror}"]`,
    'capabilities = ["pull", "resolve"]',
    ...(authority ? [`ca = "${authority}"`] : []),
    ...(account
      ? [
          "",
          `[host."https://${mirror}".header]`,
          `Authorization = ["Basic ${Buffer.from(`${account.username}:${account.password}`).toString("base64")}"]`,
        ]
      : []),
    "",
  ].join("\n");
