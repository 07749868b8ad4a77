import type { Node } from "../node";
import type { CassandraPlan, Sizes } from "./plan";

/** Where a node has its settings and its data. */
export const paths = {
  settings: "/etc/wiab/cassandra",
  data: "/var/lib/cassandra",
  programs: "/opt/wiab/cassandra",
};

/** Insides of Java since 9 that Cassandra and its tools reach into (jvm11- and jvm17-server.options of its distributions). */
const exported = [
  "java.base/jdk.internal.misc",
  "java.base/jdk.internal.ref",
  "java.base/java.lang.ref",
  "java.base/sun.nio.ch",
  "java.management.rmi/com.sun.jmx.remote.internal.rmi",
  "java.rmi/sun.rmi.registry",
  "java.rmi/sun.rmi.server",
  "java.sql/java.sql",
  "jdk.unsupported/sun.misc",
];
const opened = [
  ...["java.io", "java.lang", "java.lang.module", "java.lang.reflect", "java.math", "java.net", "java.nio"],
  ...["java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch"],
  ...["jdk.internal.loader", "jdk.internal.math", "jdk.internal.module", "jdk.internal.ref"],
  ...["jdk.internal.reflect", "jdk.internal.util.jar"],
].map((name) => `java.base/${name}`);

const modules = (plan: CassandraPlan): readonly string[] =>
  plan.java.version === 8
    ? []
    : [
        "-Djdk.attach.allowAttachSelf=true",
        ...exported.map((name) => `--add-exports=${name}=ALL-UNNAMED`),
        ...[...opened, "jdk.management/com.sun.management.internal"].map(
          (name) => `--add-opens=${name}=ALL-UNNAMED`,
        ),
      ];

/** Arguments of the JVM that is the server. */
export function serverArguments(plan: CassandraPlan, sizes: Sizes): readonly string[] {
  const { edition, libraries } = plan;
  const { settings, data } = paths;
  return [
    ...[`-Xms${sizes.heap}M`, `-Xmx${sizes.heap}M`, `-XX:MaxDirectMemorySize=${sizes.direct}M`, "-Xss256k"],
    ...(sizes.frugal
      ? ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=64M"]
      : ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=300", "-XX:+ParallelRefProcEnabled", "-XX:+AlwaysPreTouch"]),
    // Out of memory it is of no use to anybody, and comes back when it ends.
    ...["-XX:+ExitOnOutOfMemoryError", "-XX:+PerfDisableSharedMem", "-Djava.net.preferIPv4Stack=true"],
    ...modules(plan),
    "-Dio.netty.tryReflectionSetAccessible=true",
    `-javaagent:${libraries}/${edition.jamm}`,
    ...[`-Djava.io.tmpdir=${data}/tmp`, `-Djna.tmpdir=${data}/tmp`],
    ...[`-Dcassandra.config=file://${settings}/cassandra.yaml`, `-Dcassandra.storagedir=${data}`],
    `-Dlogback.configurationFile=${settings}/logback.xml`,
    // Whoever reaches it may do everything, so it is for this machine alone.
    "-Dcassandra.jmx.local.port=7199",
    // Of the two ways to do TLS, only Java's own reads Ed25519 keys.
    "-Dcassandra.disable_tcactive_openssl=true",
    "-Dcassandra-foreground=yes",
    ...["-cp", `${settings}:${libraries}/*`, "org.apache.cassandra.service.CassandraDaemon"],
  ];
}

/** The systemd unit. */
export const renderUnit = (plan: CassandraPlan, sizes: Sizes): string => `\
[Unit]
Description=Cassandra ${plan.version}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
User=cassandra
Group=cassandra
UMask=0027
WorkingDirectory=${paths.data}
EnvironmentFile=-${paths.settings}/first-boot.env
ExecStartPre=+${paths.programs}/before-start
ExecStart=${plan.java.home}/bin/java $FIRST_BOOT \\
  ${serverArguments(plan, sizes).join(" \\\n  ")}
Restart=always
RestartSec=10
# What a JVM ends with that was asked to.
SuccessExitStatus=143
TimeoutStopSec=300
LimitNOFILE=100000
LimitNPROC=32768

[Install]
WantedBy=multi-user.target
`;

/** A program that is one of Cassandra's tools. */
export const renderTool = (plan: CassandraPlan, main: string, words = ""): string => `\
#!/bin/sh
exec ${plan.java.home}/bin/java -Xmx192M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \\
  ${modules(plan).join(" \\\n  ")}${modules(plan).length > 0 ? " \\\n  " : ""}-Dcom.sun.jndi.rmiURLParsing=legacy \\
  -Dlogback.configurationFile=${paths.settings}/logback-tools.xml \\
  -Dcassandra.config=file://${paths.settings}/cassandra.yaml -Dcassandra.storagedir=/var/lib/cassandra/tmp \\
  -cp '${paths.settings}:${plan.libraries}/*' ${main} ${words}"$@"
`;

/** Fetches from the other nodes what was in a segment of the commit log that before-start.py has set aside. */
export const catchUp = {
  service: `\
[Unit]
Description=Fetches what a damaged commit log of Cassandra had
After=cassandra.service
ConditionPathExists=${paths.data}/repair-wanted

[Service]
Type=oneshot
ExecStart=${paths.programs}/nodetool repair -full
ExecStartPost=/bin/rm ${paths.data}/repair-wanted
`,
  timer: `\
[Unit]
Description=Fetches what a damaged commit log of Cassandra had

[Timer]
OnCalendar=minutely

[Install]
WantedBy=timers.target
`,
};

const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** The weekly care of a node's own part of the data; each node has another day. */
export const renderMaintenance = (nodes: readonly Node[], node: Node) => ({
  service: `\
[Unit]
Description=Weekly care of Cassandra's data
After=cassandra.service

[Service]
Type=oneshot
# What an older version has written; what a new node has taken over; what the copies do not agree on.
ExecStart=${paths.programs}/nodetool upgradesstables
ExecStart=${paths.programs}/nodetool cleanup
ExecStart=${paths.programs}/nodetool repair -pr -full
Nice=10
`,
  timer: `\
[Unit]
Description=Weekly care of Cassandra's data

[Timer]
OnCalendar=${days[nodes.findIndex(({ name }) => name === node.name) % days.length]} *-*-* 04:00:00
Persistent=true

[Install]
WantedBy=timers.target
`,
});
