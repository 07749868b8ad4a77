import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import type { Node } from "../node";
import { type PostgresqlPlan, planMemory, service } from "./plan";

export const ports = { database: 5432, guard: 5434, exporter: 9187 } as const;
export const database = "wire-server";

const settingsDirectory = `/etc/wiab/${service}`;
const programs = `/opt/wiab/${service}`;
/** Everything that the service keeps, in a folder of its own and of no version. */
const home = "/var/lib/postgresql/wiab";
const data = `${home}/data`;

/** What all nodes have alike. */
export interface Settings {
  readonly plan: PostgresqlPlan;
  readonly nodes: readonly Node[];
  /** Addresses of the clients' machines. */
  readonly clients: readonly string[];
  /** Connections at a time. */
  readonly maxConnections: number;
  /** Whether clients have to use TLS. */
  readonly tls: boolean;
}

/** repmgr's number of a node, which must stay the same whatever other nodes come and go: the end of its address. */
export const nodeId = ({ address }: Pick<Node, "address">): number => {
  if (!isIPv4(address)) throw new Error(`${address} is no IPv4 address: repmgr's number is made from one`);
  const [, , third = 0, fourth = 0] = address.split(".").map(Number);
  return third * 256 + fourth;
};

/** Who becomes the primary if several could; repmgr promotes nobody with 0. */
export const priority = (index: number): number => (index < 0 ? 0 : Math.max(150 - 50 * index, 10));

const binaries = ({ plan }: Settings) => `/usr/lib/postgresql/${plan.major}/bin`;

export const renderPostgresqlConf = (node: Node, settings: Settings): string => {
  const memory = planMemory(node.memoryGiB);
  return `\
data_directory = '${data}'
hba_file = '${settingsDirectory}/pg_hba.conf'
ident_file = '${settingsDirectory}/pg_ident.conf'
listen_addresses = '127.0.0.1,${node.address}'
port = ${ports.database}
unix_socket_directories = '/run/postgresql'
password_encryption = 'scram-sha-256'
ssl = ${settings.tls ? "on" : "off"}
${
  settings.tls
    ? `ssl_cert_file = '${settingsDirectory}/server.crt'
ssl_key_file = '${settingsDirectory}/server.key'
`
    : ""
}
# How many connections there may be; a standby has to have as many as its primary (before-start).
include_if_exists = '${home}/connections.conf'

shared_buffers = ${memory.sharedBuffers}MB
effective_cache_size = ${memory.cacheSize}MB
maintenance_work_mem = ${memory.maintenance}MB
max_worker_processes = 8

# synchronous_standby_names follows the members of the cluster (guard).
shared_preload_libraries = 'repmgr'
wal_level = replica
hot_standby = on
max_wal_senders = 16
max_replication_slots = 16
# What a node that comes back within it can take up from, whoever is the primary then.
wal_keep_size = 512MB
# One that is away for longer copies everything anew; the disk of the primary is not filled for it.
max_slot_wal_keep_size = 4GB
wal_receiver_timeout = 20s
wal_sender_timeout = 20s
# Dead clients and nodes are noticed.
tcp_keepalives_idle = 30
tcp_keepalives_interval = 10
tcp_keepalives_count = 3

log_destination = stderr
logging_collector = off
log_line_prefix = '%p %u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C.UTF-8'
`;
};

const cidr = (address: string) => (address.includes("/") ? address : `${address}/32`);

/**
 * Who gets in, and from where; whoever is not named does not. Pods arrive with the addresses of their machines.
 */
export const renderHba = ({ nodes, clients, tls }: Settings): string => {
  const remote = tls ? "hostssl" : "host";
  const own = (address: string) => `${remote} ${database} ${database} ${cidr(address)} scram-sha-256`;
  return [
    "local all postgres peer",
    "local all wiab_monitor peer map=wiab",
    ...nodes.flatMap(({ address }) => [
      `host all,replication repmgr ${cidr(address)} scram-sha-256`,
      own(address),
    ]),
    ...clients.flatMap((address) => [
      own(address),
      // The endpoint manager of Wire's chart asks each node as repmgr whether it is the primary, and sends
      // postgresql-external-rw there: without it nobody finds the new one after a failover. It needs no other database.
      `${remote} repmgr repmgr ${cidr(address)} scram-sha-256`,
    ]),
    "",
  ].join("\n");
};

export const renderRepmgrConf = (node: Node, settings: Settings): string => {
  const bin = binaries(settings);
  const staying = settings.nodes.filter(({ retiring }) => !retiring);
  return `\
node_id=${nodeId(node)}
node_name='${node.name}'
conninfo='${conninfo(node)}'
data_directory='${data}'
config_directory='${settingsDirectory}'
pg_bindir='${bin}'
# The one in conninfo does not reach a standby that repmgr turns to another primary.
passfile='${settingsDirectory}/pgpass'
use_replication_slots=yes
priority=${priority(staying.findIndex(({ name }) => name === node.name))}
failover=automatic
# Each look is a connection, which costs a node more than all else while nothing happens.
monitor_interval_secs=5
# A primary that is restarted is waited for, 24 s; one that is cut off costs a timeout besides each time.
reconnect_attempts=3
reconnect_interval=12
promote_command='${programs}/guard promote'
follow_command='${programs}/guard follow %n'
repmgrd_pid_file='/run/postgresql/wiab-repmgrd.pid'
log_level=NOTICE
`;
};

/** repmgrd asks its primary on one connection all the time: a cut one has to end soon, or a failover waits for it. */
const conninfo = ({ address }: Pick<Node, "address">) =>
  `host=${address} port=${ports.database} user=repmgr dbname=repmgr connect_timeout=3 keepalives_idle=5 tcp_user_timeout=10000 passfile=${settingsDirectory}/pgpass`;

const unit = (description: string, after: string, lines: readonly string[]): string => `\
[Unit]
Description=${description}
Wants=network-online.target
After=network-online.target ${after}
StartLimitIntervalSec=0

[Service]
User=postgres
${lines.join("\n")}

[Install]
WantedBy=multi-user.target
`;

/** The systemd units by their names. */
export const renderUnits = (node: Node, settings: Settings): Readonly<Record<string, string>> => {
  const bin = binaries(settings);
  const always = (seconds: number) => ["Restart=always", `RestartSec=${seconds}`];
  return {
    "wiab-postgresql": unit("PostgreSQL", "wiab-postgresql-guard.service", [
      "Type=notify",
      `ExecStartPre=${programs}/before-start`,
      `ExecStart=${bin}/postgres -D ${data} -c config_file=${settingsDirectory}/postgresql.conf`,
      "ExecReload=/bin/kill -HUP $MAINPID",
      "KillMode=mixed",
      "KillSignal=SIGINT",
      // It may have to wait for the other nodes, or to copy all data from one.
      "TimeoutStartSec=infinity",
      "TimeoutStopSec=300",
      "LimitNOFILE=65536",
      "OOMScoreAdjust=-900",
      ...always(1),
    ]),
    "wiab-postgresql-guard": unit("Keeps PostgreSQL from having two primaries", "", [
      `ExecStart=${programs}/guard serve`,
      ...always(1),
    ]),
    "wiab-repmgrd": unit("Failover of PostgreSQL", "wiab-postgresql.service", [
      `ExecStart=${bin}/repmgrd -f ${settingsDirectory}/repmgr.conf --daemonize=false`,
      ...always(5),
    ]),
    ...(settings.plan.exporter && {
      "wiab-postgres-exporter": unit("Metrics of PostgreSQL", "wiab-postgresql.service", [
        'Environment="DATA_SOURCE_NAME=user=wiab_monitor host=/run/postgresql dbname=postgres"',
        `ExecStart=${settings.plan.exporter} --web.listen-address=${node.address}:${ports.exporter}`,
        ...always(5),
      ]),
    }),
  };
};

const pick = ({ name, address, retiring }: Node) => ({ name, address, retiring });
const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** The parameters of node.sh that are no secrets. */
export function nodeParameters(node: Node, settings: Settings): Readonly<Record<string, string>> {
  const { plan, nodes, clients } = settings;
  const staying = nodes.filter(({ retiring }) => !retiring);
  const addresses = nodes.map(({ address }) => address);
  return {
    NODE: node.name,
    NODE_ID: `${nodeId(node)}`,
    CONNINFO: conninfo(node),
    PRIORITY: `${priority(staying.findIndex(({ name }) => name === node.name))}`,
    FIRST: staying[0]?.name ?? "",
    MAX_CONNECTIONS: `${settings.maxConnections}`,
    RETIRING: node.retiring ? "yes" : "no",
    MAJOR: `${plan.major}`,
    PACKAGES: plan.packages.map(({ name, version, source }) => `${name} ${version} ${source}`).join("\n"),
    NODE_ADDRESSES: addresses.join(" "),
    ADDRESSES: [...addresses, ...clients].join(" "),
    PORTS: Object.values(ports).join(" "),
    SETTINGS: `${JSON.stringify(
      {
        name: node.name,
        data,
        bin: binaries(settings),
        guardPort: ports.guard,
        maxConnections: settings.maxConnections,
        nodes: nodes.map((other) => ({ ...pick(other), id: nodeId(other) })),
      },
      undefined,
      1,
    )}\n`,
    POSTGRESQL_CONF: renderPostgresqlConf(node, settings),
    PG_HBA: renderHba(settings),
    REPMGR_CONF: renderRepmgrConf(node, settings),
    ...Object.fromEntries(
      Object.entries(renderUnits(node, settings)).map(([name, text]) => [
        `UNIT_${name.replaceAll("-", "_").toUpperCase()}`,
        text,
      ]),
    ),
    ...(plan.exporter ? {} : { UNIT_WIAB_POSTGRES_EXPORTER: "" }),
    CLUSTER_PY: program("cluster.py"),
    GUARD_PY: program("guard.py"),
    BEFORE_START_PY: program("before-start.py"),
    HEALTH_PY: program("health.py"),
    BACKUP_PY: program("backup.py"),
    RESTORE_PY: program("restore.py"),
  };
}

/** The secrets of node.sh. */
export interface NodeSecrets {
  readonly repmgr: string;
  readonly wireServer: string;
  /** Key and certificate in PEM; empty without TLS. */
  readonly key: string;
  readonly certificate: string;
}

/** The parameters of node.sh that are secrets. */
export const secretParameters = ({ repmgr, wireServer, key, certificate }: NodeSecrets) => ({
  PGPASS: `*:${ports.database}:*:repmgr:${repmgr}\n*:${ports.database}:*:${database}:${wireServer}\n`,
  REPMGR_PASSWORD: repmgr,
  TLS_KEY: key,
  TLS_CERTIFICATE: certificate,
});

/** The parameters of ready.sh but for the password. */
export const readyParameters = (node: Node, { plan }: Settings) => ({
  CONNINFO: conninfo(node),
  MAJOR: `${plan.major}`,
  DATABASE: database,
});
