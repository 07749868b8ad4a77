import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Node } from "../node";
import { catchUp, paths, renderMaintenance, renderTool, renderUnit } from "./java";
import { type CassandraPlan, planSizes, type Sizes } from "./plan";

/** Where clients and nodes reach a node. */
export const ports = { native: 9042, ring: 7000 } as const;

/** Copies of each row that Wire is to keep: one node may fail where there are three. */
export const replicationFactor = (nodes: readonly Node[]): number => Math.min(3, staying(nodes).length);

const staying = (nodes: readonly Node[]) => nodes.filter(({ retiring }) => !retiring);

/** The nodes that others ask first for the ring. */
const seeds = (nodes: readonly Node[]) =>
  staying(nodes)
    .slice(0, 3)
    .map(({ address }) => address);

/** Durations and sizes, in the spelling of the version. */
function units({ edition }: CassandraPlan) {
  const values = edition.units === "values";
  return {
    ms: (name: string, number: number) => (values ? `${name}: ${number}ms` : `${name}_in_ms: ${number}`),
    mib: (name: string, number: number) => (values ? `${name}: ${number}MiB` : `${name}_in_mb: ${number}`),
    kib: (name: string, number: number) => (values ? `${name}: ${number}KiB` : `${name}_in_kb: ${number}`),
    /** Names of version 3 without a unit, or with another stem. */
    other: (older: string, newer: string) => (values ? newer : older),
  };
}

/**
 * cassandra.yaml, with places for what only the node knows: `@SEEDS@`, which differ while it joins, and `@TOKENS@`,
 * of which a ring keeps the number that it has.
 */
export function renderCassandraYaml(plan: CassandraPlan, node: Node, sizes: Sizes, tls: boolean): string {
  const { ms, mib, kib, other } = units(plan);
  const { data, settings } = paths;
  return `${[
    // What Wire's own deployment has, which takes Cassandra's own name for it.
    "cluster_name: default",
    "num_tokens: @TOKENS@",
    ...(plan.edition.evenly ? ["allocate_tokens_for_local_replication_factor: 3"] : []),
    "partitioner: org.apache.cassandra.dht.Murmur3Partitioner",
    // With the one datacenter and rack that SimpleSnitch, which Wire's own deployment has, takes for granted: the copies
    // lie where they would lie there, and a second rack or datacenter stays a matter of settings. All machines are on
    // one host, so racks would tell nothing.
    "endpoint_snitch: GossipingPropertyFileSnitch",
    "seed_provider:",
    "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider",
    '    parameters: [{ seeds: "@SEEDS@" }]',
    `listen_address: ${node.address}`,
    `rpc_address: ${node.address}`,
    `storage_port: ${ports.ring}`,
    `native_transport_port: ${ports.native}`,
    "start_native_transport: true",
    ...(plan.edition.units === "names" ? ["start_rpc: false"] : []),
    "authenticator: AllowAllAuthenticator",
    "authorizer: AllowAllAuthorizer",
    `data_file_directories: [${data}/data]`,
    `commitlog_directory: ${data}/commitlog`,
    `hints_directory: ${data}/hints`,
    `saved_caches_directory: ${data}/saved_caches`,
    `cdc_raw_directory: ${data}/cdc_raw`,
    "hinted_handoff_enabled: true",
    "disk_failure_policy: die",
    "commit_failure_policy: die",
    // The copies lie on one host: a power cut takes all of them at the same moment, and with them what is not on disk. So a
    // write is acknowledged when it is; writes that come together share one synchronization.
    "commitlog_sync: batch",
    // Version 3 insists on it, and later ones on its absence.
    ...(plan.edition.units === "names" ? ["commitlog_sync_batch_window_in_ms: 2"] : []),
    mib("commitlog_segment_size", sizes.segment),
    other(`commitlog_total_space_in_mb: ${sizes.commitLog}`, `commitlog_total_space: ${sizes.commitLog}MiB`),
    other(`memtable_heap_space_in_mb: ${sizes.memtables}`, `memtable_heap_space: ${sizes.memtables}MiB`),
    other(
      `memtable_offheap_space_in_mb: ${sizes.memtables}`,
      `memtable_offheap_space: ${sizes.memtables}MiB`,
    ),
    "memtable_allocation_type: heap_buffers",
    mib("file_cache_size", sizes.fileCache),
    ...other("", `networking_cache_size: ${sizes.networkCache}MiB`).split("\n").filter(Boolean),
    `concurrent_reads: ${sizes.readers}`,
    `concurrent_writes: ${sizes.writers}`,
    `concurrent_compactors: ${sizes.compactors}`,
    other("compaction_throughput_mb_per_sec: 16", "compaction_throughput: 16MiB/s"),
    // A machine that is short of processors is not a dead one.
    "phi_convict_threshold: 12",
    ms("read_request_timeout", 10_000),
    ms("range_request_timeout", 20_000),
    ms("write_request_timeout", 10_000),
    ms("truncate_request_timeout", 120_000),
    ms("request_timeout", 20_000),
    "auto_snapshot: true",
    ...(plan.edition.units === "values" ? ["auto_snapshot_ttl: 30d"] : []),
    "incremental_backups: false",
    kib("batch_size_warn_threshold", 64),
    kib("batch_size_fail_threshold", 640),
    ...(tls
      ? [
          "client_encryption_options:",
          "  enabled: true",
          "  optional: false",
          `  keystore: ${settings}/server.p12`,
          // The file's mode is what protects the key.
          "  keystore_password: cassandra",
          "  store_type: PKCS12",
          "  require_client_auth: false",
        ]
      : []),
  ].join("\n")}\n`;
}

const logback = (level: string, output: string): string => `\
<configuration>
  <appender name="console" class="ch.qos.logback.core.ConsoleAppender">
    ${output}<encoder><pattern>%-5level [%thread] %file:%line - %msg%n</pattern></encoder>
  </appender>
  <root level="${level}"><appender-ref ref="console"/></root>
</configuration>
`;

const read = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** What a node is given besides its place in the ring. */
export interface NodeSettings {
  readonly plan: CassandraPlan;
  readonly nodes: readonly Node[];
  /** Addresses of the clients' machines. */
  readonly clients: readonly string[];
  readonly heapMiB?: number;
  /** Whether clients are served by TLS; key and certificates are further parameters then. */
  readonly tls: boolean;
}

/** The parameters of node.sh for a node. */
export function nodeParameters(node: Node, { plan, nodes, clients, heapMiB, tls }: NodeSettings) {
  const sizes = planSizes(node, heapMiB);
  const maintenance = renderMaintenance(nodes, node);
  const addresses = nodes.map(({ address }) => address);
  return {
    NAME: node.name,
    ADDRESS: node.address,
    ADDRESSES: addresses.join(" "),
    CLIENTS: clients.join(" "),
    RETIRING: node.retiring ? "yes" : "no",
    VERSION: plan.version,
    TOKENS: `${plan.edition.tokens}`,
    SEEDS: seeds(nodes).join(","),
    RING: `${JSON.stringify({
      self: node.name,
      tls,
      nodes: nodes.map(({ name, address, retiring }) => ({ name, address, retiring })),
    })}\n`,
    YAML: renderCassandraYaml(plan, node, sizes, tls),
    RACK: `dc=datacenter1\nrack=${node.zone ?? "rack1"}\n`,
    LOGBACK: logback("INFO", ""),
    LOGBACK_TOOLS: logback("WARN", "<target>System.err</target>"),
    UNIT: renderUnit(plan, sizes),
    MAINTENANCE: maintenance.service,
    TIMER: maintenance.timer,
    CATCH_UP: catchUp.service,
    CATCH_UP_TIMER: catchUp.timer,
    NODETOOL: renderTool(plan, "org.apache.cassandra.tools.NodeTool", "-h 127.0.0.1 -p 7199 "),
    LOADER: renderTool(
      plan,
      "org.apache.cassandra.tools.BulkLoader",
      `-f ${paths.settings}/cassandra.yaml ${tls ? `-ts ${paths.settings}/authority.p12 -tspw cassandra ` : ""}`,
    ),
    CQL_PY: read("cql.py"),
    RING_PY: read("ring.py"),
    HEALTH_PY: read("health.py"),
    BEFORE_START_PY: read("before-start.py"),
    BACKUP_PY: read("backup.py"),
    RESTORE_PY: read("restore.py"),
    PRIVATE_KEY: "",
    CERTIFICATE: "",
    AUTHORITY: "",
  };
}
