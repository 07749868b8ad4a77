import { readFileSync } from "node:fs";
import { join } from "node:path";
import { renderCare } from "../care";
import type { Node } from "../node";
import { type ElasticsearchPlan, heapMiB } from "./plan";

/** Wire's own name of it. */
export const clusterName = "elasticsearch-directory";
export const ports = { http: 9200, transport: 9300 } as const;

const configurationFolder = "/etc/wiab/elasticsearch";

/** How many nodes have to see one another before they elect a master: two halves of a cluster never both do. */
export const majority = (nodes: number): number => Math.floor(nodes / 2) + 1;

/** elasticsearch.yml. What follows from the number of nodes is not in it: that changes without a restart. */
export const renderSettings = ({ name, address }: Pick<Node, "name" | "address">): string => `\
cluster.name: ${clusterName}
node.name: ${name}
path.data: /var/lib/elasticsearch
path.logs: /var/log/elasticsearch
network.publish_host: ${address}
http.bind_host: ["${address}", "127.0.0.1"]
transport.bind_host: ["${address}"]
http.port: ${ports.http}
transport.tcp.port: ${ports.transport}
# unicast_hosts.txt beside this file, which is read anew at every ping.
discovery.zen.hosts_provider: file
# Not this machine itself, which is the default; and a slow one gets time to answer.
discovery.zen.ping.unicast.hosts: []
discovery.zen.ping.unicast.hosts.resolve_timeout: 30s
discovery.zen.ping_timeout: 10s
# The cluster's own setting has precedence as soon as this node knows it.
discovery.zen.minimum_master_nodes: \${MINIMUM_MASTER_NODES}
# A machine that has vanished without a word is given up after half a minute instead of one and a half.
discovery.zen.fd.ping_timeout: 10s
`;

/** The journal keeps the log. */
export const renderLogging = (): string => `\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%-5p][%-25c{1.}] %marker%m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`;

/** The systemd unit. Java is called directly: the programs around it would start another Java to read its options. */
export function renderUnit(plan: ElasticsearchPlan, heap: number): string {
  const command = [
    plan.java,
    `-Xms${heap}m`,
    `-Xmx${heap}m`,
    ...plan.javaOptions,
    "-Xss1m",
    "-Des.networkaddress.cache.ttl=60",
    "-Des.networkaddress.cache.negative.ttl=10",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Djna.nosys=true",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Dlog4j2.formatMsgNoLookups=true",
    `-Des.path.home=${plan.home}`,
    `-Des.path.conf=${configurationFolder}`,
    "-Des.distribution.flavor=oss",
    `-Des.distribution.type=${plan.package ? "deb" : "zip"}`,
    `-cp ${plan.home}/lib/*`,
    "org.elasticsearch.bootstrap.Elasticsearch",
  ];
  return `\
[Unit]
Description=Elasticsearch ${plan.version}
Wants=network-online.target
After=network-online.target

[Service]
User=elasticsearch
Group=elasticsearch
EnvironmentFile=${configurationFolder}/quorum
WorkingDirectory=${plan.home}
PrivateTmp=yes
ExecStart=${command.join(" \\\n  ")}
Restart=always
RestartSec=5
LimitNOFILE=65535
LimitNPROC=4096
LimitAS=infinity
LimitFSIZE=infinity
TimeoutStopSec=120
# Java's way of saying that it was asked to end.
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
`;
}

/** What node.sh is told. */
export interface NodeSettings {
  readonly plan: ElasticsearchPlan;
  /** All nodes, those that retire as well. */
  readonly nodes: readonly Node[];
  readonly clients: readonly string[];
  /** @default follows the machine's memory */
  readonly heapMiB?: number;
}

/** Has indices take writes again after a disk was full. */
const care = renderCare({
  service: "elasticsearch",
  unit: "elasticsearch",
  description: "Has Elasticsearch's indices take writes again after a disk was full",
  command: "/opt/wiab/elasticsearch/cluster.py release",
  when: "minutely",
  spread: 0,
  limit: 10,
});

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** The parameters of node.sh and ready.sh for a node. */
export function nodeParameters(
  node: Node,
  { plan, nodes, clients, heapMiB: heap }: NodeSettings,
): Readonly<Record<string, string>> {
  const members = nodes.filter(({ retiring }) => !retiring);
  const addresses = nodes.map(({ address }) => address);
  return {
    VERSION: plan.version,
    PACKAGE: plan.package,
    SETTINGS: renderSettings(node),
    LOGGING: renderLogging(),
    UNIT: renderUnit(plan, heap ?? heapMiB(node)),
    HOSTS: `${nodes.map(({ address }) => `${address}:${ports.transport}`).join("\n")}\n`,
    // Of all of them: one that retires may elect as long as it is there.
    MINIMUM_MASTER_NODES: `${majority(nodes.length)}`,
    CLUSTER: `${JSON.stringify({
      node: node.name,
      members: Object.fromEntries(members.map(({ name, address }) => [name, address])),
      leaving: Object.fromEntries(
        nodes.filter(({ retiring }) => retiring).map(({ name, address }) => [name, address]),
      ),
    })}\n`,
    RETIRING: node.retiring ? "yes" : "",
    CLIENT_PORTS: `${ports.http}`,
    CLIENTS: [...addresses, ...clients].join(" "),
    NODE_PORTS: `${ports.transport}`,
    NODES: addresses.join(" "),
    ...care,
    CLUSTER_PROGRAM: program("cluster.py"),
    HEALTH: program("health.py"),
    BACKUP: program("backup.py"),
    RESTORE: program("restore.py"),
  };
}
