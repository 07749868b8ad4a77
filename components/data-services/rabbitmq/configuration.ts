import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { renderCare } from "../care";
import type { Node } from "../node";
import { planMemory, type RabbitMqPlan } from "./plan";

/** Where files of ours lie on a node. */
const directory = "/etc/wiab/rabbitmq";

/** Ports of the brokers: for clients, for the management interface, and what brokers use among themselves. */
export const ports = {
  amqp: 5672,
  amqpTls: 5671,
  management: 15672,
  managementTls: 15671,
  /** epmd, Erlang's distribution, and that of rabbitmqctl. */
  cluster: "4369 25672 35672-35682",
} as const;

/** An administrator of nothing who may see everything, and use all that lies in the virtual host `/`. */
export interface User {
  readonly name: string;
  readonly password: string;
}

/** rabbitmq.conf of a node. It does not name the other nodes, so that a new one needs no restart of the others. */
export function renderConfiguration(node: Node, tls: boolean): string {
  const { watermark, log } = planMemory(node);
  const encryption = (prefix: string) => [
    `${prefix}.cacertfile = /etc/wiab/ca.crt`,
    `${prefix}.certfile = ${directory}/tls.crt`,
    `${prefix}.keyfile = ${directory}/tls.key`,
  ];
  const listeners = tls
    ? [
        "listeners.tcp = none",
        `listeners.ssl.1 = ${node.address}:${ports.amqpTls}`,
        ...encryption("ssl_options"),
        "ssl_options.verify = verify_none",
        "ssl_options.fail_if_no_peer_cert = false",
        `management.ssl.ip = ${node.address}`,
        `management.ssl.port = ${ports.managementTls}`,
        ...encryption("management.ssl"),
      ]
    : [
        `listeners.tcp.1 = ${node.address}:${ports.amqp}`,
        `management.tcp.ip = ${node.address}`,
        `management.tcp.port = ${ports.management}`,
      ];
  return [
    ...listeners,
    // Brokers that cannot see most of the others stop serving: no message is confirmed that a majority does not have.
    "cluster_partition_handling = pause_minority",
    "net_ticktime = 30",
    `vm_memory_high_watermark.absolute = ${watermark}MiB`,
    "disk_free_limit.absolute = 1GB",
    `raft.wal_max_size_bytes = ${log * 1024 * 1024}`,
    // With it a new cluster gets this user and never the user guest.
    `load_definitions = ${directory}/definitions.json`,
    "log.console = true",
    "log.file = false",
    "",
  ].join("\n");
}

/** rabbitmq-env.conf, which the broker's programs read as well. */
export function renderEnvironment({ name, address }: Node): string {
  const here = `{${address.replaceAll(".", ",")}}`;
  return [
    `NODENAME=rabbit@${name}`,
    `export ERL_EPMD_ADDRESS=${address}`,
    `export ERL_INETRC=${directory}/inetrc`,
    // Erlang's schedulers look for work for a while before they sleep, on processors that others need
    // (RabbitMQ's guide on runtime tuning).
    `SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface ${here} +sbwt none +sbwtdcpu none +sbwtdio none"`,
    `CTL_ERL_ARGS="-kernel inet_dist_use_interface ${here}"`,
    "",
  ].join("\n");
}

/**
 * Has Erlang find the nodes' names in a file of ours. In /etc/hosts cloud-init keeps the machine's own name at
 * 127.0.1.1, where no other broker would find it. The file is read again whenever it has changed.
 */
export const renderInetrc = (): string => `{hosts_file, "${directory}/hosts"}.\n{lookup, [file, native]}.\n`;

export const renderHosts = (nodes: readonly Pick<Node, "name" | "address">[]): string =>
  nodes.map(({ name, address }) => `${address} ${name}\n`).join("");

/**
 * Not Debian's unit: that one is ready only once the other brokers are there too, for which nobody can wait who is to
 * start those next. A broker ends in good order on SIGTERM.
 */
export const renderUnit = (): string => `\
[Unit]
Description=RabbitMQ
After=network-online.target wiab-epmd.service
Wants=network-online.target wiab-epmd.service

[Service]
User=rabbitmq
Group=rabbitmq
UMask=0027
WorkingDirectory=/var/lib/rabbitmq
# As under Debian's own unit: without a shell that stays in between.
Environment=RUNNING_UNDER_SYSTEMD=true HOME=/var/lib/rabbitmq
ExecStart=/usr/lib/rabbitmq/bin/rabbitmq-server
Restart=always
RestartSec=5
TimeoutStopSec=300
LimitNOFILE=65536
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
`;

/** Brings a broker back to the others that went on without it. */
const care = renderCare({
  service: "rabbitmq",
  unit: "rabbitmq-server",
  description: "Brings a broker back to the others that went on without it",
  command: "/opt/wiab/rabbitmq/rejoin",
  when: "minutely",
  spread: 0,
  limit: 10,
});

/** epmd tells who asks at which port a node listens; it listens on the loopback interface too. */
export const renderEpmdUnit = ({ address }: Pick<Node, "address">): string => `\
[Unit]
Description=Erlang's port mapper, for RabbitMQ
After=network-online.target
Wants=network-online.target

[Service]
User=epmd
Environment=ERL_EPMD_ADDRESS=${address}
ExecStart=/usr/bin/epmd
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`;

/**
 * What a cluster has from its beginning, and gets back when somebody has changed it. Wire's services declare their
 * durable queues as quorum queues themselves, which no policy concerns. The policy is for any other durable queue:
 * what is confirmed has been written by two brokers, and one that lacks messages never takes over.
 */
export function renderDefinitions({ name, password }: User): string {
  // A salt that follows from the password gives the same text each time; the password itself is too long to be guessed.
  const salt = createHash("sha256").update(`salt ${password}`).digest().subarray(0, 4);
  const hash = createHash("sha256").update(salt).update(password).digest();
  const everything = ".*";
  return `${JSON.stringify(
    {
      vhosts: [{ name: "/" }],
      users: [
        {
          name,
          password_hash: Buffer.concat([salt, hash]).toString("base64"),
          hashing_algorithm: "rabbit_password_hashing_sha256",
          tags: "monitoring",
        },
      ],
      permissions: [{ user: name, vhost: "/", configure: everything, write: everything, read: everything }],
      policies: [
        {
          vhost: "/",
          name: "ha-exactly-two",
          pattern: everything,
          "apply-to": "queues",
          priority: 0,
          definition: {
            "ha-mode": "exactly",
            "ha-params": 2,
            "ha-sync-mode": "automatic",
            "ha-promote-on-failure": "when-synced",
            "ha-promote-on-shutdown": "when-synced",
          },
        },
      ],
    },
    null,
    1,
  )}\n`;
}

/** What the programs on a node know of the cluster. */
export const renderSettings = (
  node: Pick<Node, "name">,
  nodes: readonly Node[],
  user: User,
  tls: boolean,
): string =>
  `${JSON.stringify({
    node: node.name,
    nodes: Object.fromEntries(nodes.map(({ name, address }) => [name, address])),
    retiring: nodes.filter(({ retiring }) => retiring).map(({ name }) => name),
    ...user,
    amqp: tls ? ports.amqpTls : ports.amqp,
    management: tls ? ports.managementTls : ports.management,
    tls,
  })}\n`;

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** What node.sh is told of a cluster. */
export interface ClusterSettings {
  readonly nodes: readonly Node[];
  /** Addresses of the clients' machines. */
  readonly clients: readonly string[];
  readonly plan: RabbitMqPlan;
  readonly tls: boolean;
}

/** The parameters of node.sh for a node; besides, it wants COOKIE, DEFINITIONS, SETTINGS, PRIVATE_KEY and CERTIFICATE. */
export function nodeParameters(
  node: Node,
  { nodes, clients, plan, tls }: ClusterSettings,
): Readonly<Record<string, string>> {
  const staying = nodes.filter(({ retiring }) => !retiring).map(({ name }) => name);
  const addresses = nodes.map(({ address }) => address);
  return {
    NODE: node.name,
    STAYING: staying.join(" "),
    FOUNDER: staying[0] ?? "",
    RETIRING: node.retiring ? "yes" : "no",
    VERSION: plan.version,
    UPGRADES_FROM: plan.upgradesFrom,
    // Emulated machines take ten times as long as others.
    PATIENCE: "900",
    CLIENT_PORTS: (tls ? [ports.amqpTls, ports.managementTls] : [ports.amqp, ports.management]).join(" "),
    CLIENT_ADDRESSES: [...addresses, ...clients].join(" "),
    CLUSTER_PORTS: ports.cluster,
    NODE_ADDRESSES: addresses.join(" "),
    CONFIGURATION: renderConfiguration(node, tls),
    ENVIRONMENT: renderEnvironment(node),
    INETRC: renderInetrc(),
    HOSTS: renderHosts(nodes),
    UNIT: renderUnit(),
    EPMD_UNIT: renderEpmdUnit(node),
    ...care,
    BROKERS_PROGRAM: program("brokers.py"),
    AMQP_PROGRAM: program("amqp.py"),
    STATE_PROGRAM: program("state.py"),
    HEALTH_PROGRAM: program("health.py"),
    REJOIN_PROGRAM: program("rejoin.py"),
    DEFINITIONS_PROGRAM: program("definitions.py"),
    BACKUP_PROGRAM: program("backup.sh"),
    RESTORE_PROGRAM: program("restore.sh"),
  };
}
