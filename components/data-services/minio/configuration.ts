import { readFileSync } from "node:fs";
import { join } from "node:path";
import { renderCare } from "../care";
import type { Node } from "../node";
import { type MinioPlan, memoryMiB } from "./plan";

export const port = 9000;
const folder = "/etc/wiab/minio";

/** The buckets that Wire's deployment has; anybody may read what lies in `public`. */
export const buckets = {
  public: "public",
  private: ["dummy-bucket", "assets", "k8ssandra-backups"],
} as const;
export const assetsBucket = "assets";

/** Anybody may fetch an object whose name they know, and nobody a list of them. */
export const publicPolicy = {
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { AWS: ["*"] },
      Action: ["s3:GetObject"],
      Resource: [`arn:aws:s3:::${buckets.public}/*`],
    },
  ],
} as const;

/** What cargohold does with assets; it deletes them, too. */
export const cargoholdPolicy = {
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Action: ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
      Resource: [`arn:aws:s3:::${assetsBucket}`],
    },
    {
      Effect: "Allow",
      Action: [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
      ],
      Resource: [`arn:aws:s3:::${assetsBucket}/*`],
    },
  ],
} as const;

/** What MinIO reads by itself, so that no credential stands in an environment that others can look at. */
export const renderEnvironment = (root: Keys): string => `\
MINIO_ROOT_USER=${root.accessKey}
MINIO_ROOT_PASSWORD=${root.secretKey}
MINIO_BROWSER=off
MINIO_UPDATE=off
`;

/** The systemd unit. node.sh puts the drives in the place of `@VOLUMES@`. */
export const renderUnit = (
  plan: MinioPlan,
  node: Pick<Node, "address" | "memoryGiB">,
  tls: boolean,
): string => `\
[Unit]
Description=MinIO ${plan.version}
Wants=network-online.target
After=network-online.target

[Service]
User=minio
Group=minio
Environment=MINIO_CONFIG_ENV_FILE=${folder}/environment
# It takes no folder of the machine's own disk for a drive otherwise, and it looks before it reads that file.
Environment=MINIO_CI_CD=on
Environment=GOMEMLIMIT=${memoryMiB(node)}MiB
WorkingDirectory=/
ExecStart=${plan.minio} server --quiet --address ${node.address}:${port} ${tls ? `--certs-dir ${folder}/certs ` : ""}@VOLUMES@
Restart=always
RestartSec=5
LimitNOFILE=65536
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
`;

/** Brings the copies that nodes have missed. */
const care = renderCare({
  service: "minio",
  unit: "minio",
  description: "Brings the copies that MinIO's nodes have missed",
  command: "/opt/wiab/minio/store.py care",
  when: "hourly",
  spread: 600,
  limit: 20,
});

/** What a client shows. */
export interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Key and certificates of a server in PEM. */
export interface Identity {
  readonly privateKey: string;
  readonly certificate: string;
  readonly authority: string;
}

/** What node.sh is told. */
export interface NodeSettings {
  readonly plan: MinioPlan;
  /** All nodes, those that retire as well. */
  readonly nodes: readonly Node[];
  readonly clients: readonly string[];
  readonly root: Keys;
  readonly cargohold: Keys;
  /** Of this node; undefined without TLS. */
  readonly identity: Identity | undefined;
}

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** The parameters of node.sh and ready.sh for a node that are no secrets. */
export function plainParameters(
  node: Node,
  { plan, nodes, clients, tls }: Pick<NodeSettings, "plan" | "nodes" | "clients"> & { readonly tls: boolean },
) {
  const addresses = nodes.map(({ address }) => address);
  return {
    VERSION: plan.version,
    NODE: node.name,
    RETIRING: node.retiring ? "yes" : "",
    MEMBERS: nodes
      .filter(({ retiring }) => !retiring)
      .map(({ name, address }) => `${name} ${address}`)
      .join("\n"),
    SCHEME: tls ? "https" : "http",
    UNIT: renderUnit(plan, node, tls),
    ...care,
    PORTS: `${port}`,
    ADDRESSES: [...addresses, ...clients].join(" "),
    STORE_PROGRAM: program("store.py"),
    PROVISION: program("provision.py"),
    HEALTH: program("health.py"),
    BACKUP: program("backup.py"),
    RESTORE: program("restore.py"),
  };
}

/** The other ones, but for the certificates. */
export const secretParameters = (
  node: Node,
  {
    plan,
    nodes,
    root,
    cargohold,
    tls,
  }: Omit<NodeSettings, "clients" | "identity"> & { readonly tls: boolean },
) => ({
  ENVIRONMENT: renderEnvironment(root),
  SETTINGS: `${JSON.stringify({
    node: node.name,
    nodes: Object.fromEntries(nodes.map(({ name, address }) => [name, address])),
    scheme: tls ? "https" : "http",
    mc: plan.mc,
    root,
    cargohold,
    buckets,
    assetsBucket,
    publicPolicy,
    cargoholdPolicy,
  })}\n`,
});

/** All parameters of node.sh and ready.sh for a node. */
export function nodeParameters(node: Node, settings: NodeSettings): Readonly<Record<string, string>> {
  const { identity } = settings;
  const tls = identity !== undefined;
  return {
    ...plainParameters(node, { ...settings, tls }),
    ...secretParameters(node, { ...settings, tls }),
    PRIVATE_KEY: identity?.privateKey ?? "",
    CERTIFICATE: identity?.certificate ?? "",
    AUTHORITY: identity?.authority ?? "",
  };
}
