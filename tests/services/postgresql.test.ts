import { afterAll, beforeAll, expect, it } from "vitest";
import { installationParameters } from "../../components/artifact/installation/installation";
import {
  nodeParameters,
  readyParameters,
  type Settings,
  secretParameters,
} from "../../components/data-services/postgresql/configuration";
import { planPostgresql } from "../../components/data-services/postgresql/plan";
import { Namespace } from "../acceptance/verify/namespace";
import { Cluster } from "../fixtures/cluster";
import { ended } from "../fixtures/machine";

// Three nodes with the real PostgreSQL and repmgr of the lab's bundle, from founding to failover and leaving.

const room = "components/data-services/postgresql";
const names = ["datanode1", "datanode2", "datanode3"];
const repmgr = "password-of-repmgr";
const wireServer = "password-of-wire-server";
const psql = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1";

/** A Kubernetes node: pods arrive with its address. It has no disk, and takes its programs from a data node. */
const kubenode = "192.168.122.21";

let cluster: Cluster;
let client: Namespace;
/** What the cluster is configured with; it changes once, in between. */
let wanted = { maxConnections: 100 };
const secrets = secretParameters({ repmgr, wireServer, key: "", certificate: "" });

const settings = (retiring?: string): Settings => ({
  plan: planPostgresql(cluster.artifact),
  nodes: names.flatMap((name) =>
    cluster
      .nodes()
      .filter((node) => node.name === name)
      .map((node) => ({ ...node, retiring: name === retiring })),
  ),
  clients: [kubenode],
  tls: false,
  ...wanted,
});

async function install(name: string): Promise<void> {
  const { installation } = planPostgresql(cluster.artifact);
  const install = "components/artifact/installation/install.sh";
  for (const [file, parameters] of [
    [`${room}/prepare.sh`, {}],
    [install, installationParameters(installation, cluster.assets)],
  ] as const)
    expect(await cluster.script(name, file, parameters)).toMatchObject({ code: 0, stderr: "" });
}

const run = (name: string, all: Settings = settings(), other: Record<string, string> = {}) => {
  const node = all.nodes.find((candidate) => candidate.name === name);
  if (!node) throw new Error(`there is no node ${name}`);
  return cluster.script(name, `${room}/node.sh`, { ...nodeParameters(node, all), ...secrets, ...other });
};

async function deploy(): Promise<string[]> {
  const all = settings();
  const said: string[] = [];
  for (const { name } of all.nodes) {
    const { code, stdout, stderr } = await run(name, all);
    expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: "" });
    said.push(stdout.trim());
  }
  const [first] = all.nodes;
  if (!first) throw new Error("no nodes");
  const ready = await cluster.script(first.name, `${room}/ready.sh`, {
    ...readyParameters(first, all),
    PASSWORD: wireServer,
    CLUSTER: JSON.stringify(all.nodes),
  });
  expect(ready).toMatchObject({ code: 0, stderr: "" });
  return [...said, ready.stdout.trim()];
}

/** From a folder that PostgreSQL's user may not enter, as root's is. */
const program = (name: string, command: string) =>
  ended(cluster.machine(name).spawn("-c", `cd /root; chmod 700 .; ${command}`));
const health = (name: string) => program(name, "/opt/wiab/postgresql/health");
/** When PostgreSQL and the services around it were started, by node. */
const starts = (units = "wiab-postgresql-guard wiab-repmgrd") =>
  Promise.all(
    cluster
      .nodes()
      .map(({ name }) =>
        cluster
          .machine(name)
          .run(`${psql} -c 'select pg_postmaster_start_time()'; systemctl show -p MainPID ${units}`),
      ),
  );

async function eventually<Value>(what: string, seconds: number, look: () => Promise<Value | undefined>) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`gave up after ${seconds} s waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

const healthy = (name: string, start: string) =>
  eventually(`${name} finds ${start} and all well`, 150, async () => {
    const { code, stdout } = await health(name);
    return code === 0 && stdout.startsWith(start) ? stdout : undefined;
  });

/** A client of Wire's database that reconnects, looking for the primary, and writes down what was acknowledged. */
async function writer(from: string) {
  const machine = cluster.machine(from);
  const hosts = names.map((name) => cluster.addressOf(name)).join(",");
  machine.write(
    "/root/writer.sh",
    `export PGPASSFILE=/etc/wiab/postgresql/pgpass
n=0
while [ ! -e /root/writer.stop ]; do
  # One connection as long as it lasts; what it prints has been committed.
  while [ ! -e /root/writer.stop ]; do n=$((n + 1)); echo "insert into written values ($n) returning n;"; sleep 0.02; done |
    psql -XAtq -v ON_ERROR_STOP=1 "host=${hosts} connect_timeout=2 tcp_user_timeout=5000 keepalives_idle=2 keepalives_interval=1 keepalives_count=3 target_session_attrs=read-write user=wire-server dbname=wire-server" >>/root/acknowledged 2>/dev/null
  n=$(($(sort -n /root/acknowledged | tail -n 1) + 100000))
done
`,
  );
  await machine.run(
    `export PGPASSFILE=/etc/wiab/postgresql/pgpass; rm -f /root/writer.stop /root/acknowledged; touch /root/acknowledged
psql -XAtq "host=${hosts} target_session_attrs=read-write user=wire-server dbname=wire-server" -c 'drop table if exists written' -c 'create table written (n bigint)' 2>/dev/null
setsid bash /root/writer.sh </dev/null >/dev/null 2>&1 &`,
  );
  const count = async () => Number(await machine.run("wc -l </root/acknowledged"));
  const goesOn = async () => {
    const before = await count();
    await eventually("writes go on", 150, async () => ((await count()) > before + 3 ? true : undefined));
  };
  await goesOn();
  return {
    goesOn,
    /** Ends it and gives the acknowledged writes that the node does not have, and how many there were. */
    missing: async (name: string) => {
      await machine.run(
        "touch /root/writer.stop; while pgrep -f '[w]riter.sh' >/dev/null; do sleep 0.1; done",
      );
      const acknowledged = (await machine.run("sort /root/acknowledged")).split("\n");
      const present = new Set(
        (await cluster.machine(name).run(`${psql} -d wire-server -c 'select n from written'`)).split("\n"),
      );
      return { writes: acknowledged.length, lost: acknowledged.filter((n) => !present.has(n)) };
    },
  };
}

beforeAll(async () => {
  cluster = await Cluster.start(names);
  client = new Namespace("kubenode1");
  cluster.join(client, kubenode);
  await Promise.all(names.map(install));
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
  client?.remove();
});

it("founds a cluster, going on where a run was killed, and a second run changes nothing", async () => {
  const machine = cluster.machine("datanode1");
  const first = run("datanode1");
  await eventually("the founding has begun", 60, async () =>
    (await machine.run("ls -d /var/lib/postgresql/wiab/data*")) ? true : undefined,
  );
  await machine.run("pkill -KILL -f '[b]ash -s -- apply' || true");
  expect((await first).code).not.toBe(0);
  expect(await deploy()).toEqual([
    expect.stringMatching(/on datanode1 is primary$/),
    expect.stringMatching(/on datanode2 is standby$/),
    expect.stringMatching(/on datanode3 is standby$/),
    expect.stringMatching(
      /^datanode1 is the primary, 2 of 2 standbys stream .* read on datanode2 after \d+ ms, datanode3 after \d+ ms; repmgr agrees; wire-server may log in and create tables$/,
    ),
  ]);
  const before = await starts();
  await deploy();
  expect(await starts()).toEqual(before);
}, 300_000);

it("keeps its secrets", async () => {
  for (const name of names) {
    const machine = cluster.machine(name);
    expect(
      await machine.run(
        `grep -rlE '[p]assword-of-(repmgr|wire)' /etc /opt/wiab /run /var/lib /var/log 2>/dev/null | xargs -r stat --format '%n %a %U'`,
      ),
    ).toBe("/etc/wiab/postgresql/pgpass 600 postgres");
    expect(
      await machine.run(
        `grep -laE '[p]assword-of-(repmgr|wire)' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true`,
      ),
    ).toBe("");
  }
});

it("is reached by nodes and clients alone", async () => {
  const knock = (port: number) =>
    cluster.assetHost.run(
      `timeout 5 bash -c 'true </dev/tcp/${cluster.addressOf("datanode1")}/${port}' && echo open || echo closed`,
    );
  expect([await knock(5432), await knock(5434), await knock(9187)]).toEqual(["closed", "closed", "closed"]);
  const peer = cluster.machine("datanode2");
  expect(await peer.run(`true </dev/tcp/${cluster.addressOf("datanode1")}/5434 && echo open`)).toBe("open");
});

/** Logs in from the Kubernetes node, with passwords that are right, and gives the answer or the refusal. */
async function logIn(node: string, user: string, database: string, query = "select 'in'"): Promise<string> {
  const { stdout, stderr } = await client.pipe(
    `${query};\n`,
    ...["chroot", cluster.machine("datanode3").path("/"), "env", "PGPASSFILE=/etc/wiab/postgresql/pgpass"],
    ...["psql", "-XAtq", `host=${cluster.addressOf(node)} user=${user} dbname=${database} connect_timeout=5`],
  );
  return stdout.trim() || (/no pg_hba\.conf entry/.test(stderr) ? "refused" : stderr);
}

/** What the endpoint manager of Wire's chart learns of each node. */
const roles = () =>
  Promise.all(names.map((name) => logIn(name, "repmgr", "repmgr", "select pg_is_in_recovery()")));

it("lets in clients as Wire's user, and as repmgr to ask which node is the primary, and to nothing else", async () => {
  expect(await roles()).toEqual(["f", "t", "t"]);
  const logins = ["repmgr", "wire-server"].flatMap((user) =>
    ["repmgr", "wire-server", "postgres"].map((database) => [user, database] as const),
  );
  const answers = await Promise.all(
    logins.map(
      async ([user, database]) => `${user} ${database}: ${await logIn("datanode1", user, database)}`,
    ),
  );
  expect(answers).toEqual([
    "repmgr repmgr: in",
    "repmgr wire-server: refused",
    "repmgr postgres: refused",
    "wire-server repmgr: refused",
    "wire-server wire-server: in",
    "wire-server postgres: refused",
  ]);
});

it("rolls a change through, the primary too, and loses no acknowledged write", async () => {
  const before = await starts();
  const writing = await writer("datanode3");
  wanted = { maxConnections: 120 };
  await deploy();
  await writing.goesOn();
  const { writes, lost } = await writing.missing("datanode1");
  expect({ lost, some: writes > 50 }).toEqual({ lost: [], some: true });
  const after = await starts();
  expect(after.filter((start, index) => start.split("\n")[0] === before[index]?.split("\n")[0])).toEqual([]);
  expect(await cluster.machine("datanode2").run(`${psql} -c 'show max_connections'`)).toBe("120");
}, 300_000);

it("restarts a primary that was killed, which is the primary again", async () => {
  const writing = await writer("datanode3");
  await cluster.machine("datanode1").run("kill -9 $(head -n 1 /var/lib/postgresql/wiab/data/postmaster.pid)");
  await writing.goesOn();
  expect((await writing.missing("datanode1")).lost).toEqual([]);
  await healthy("datanode2", "datanode1 is the primary");
}, 300_000);

it("promotes a standby when the primary is gone, and takes the former one back as a standby without losing a write", async () => {
  const writing = await writer("datanode3");
  cluster.plug("datanode1", "out");
  await writing.goesOn();
  // Cut off, the former primary does not serve.
  await eventually("the former primary has stopped", 150, async () =>
    (await cluster.machine("datanode1").run(`${psql} -c 'select 1' 2>&1 || true`)) === "1" ? undefined : true,
  );
  cluster.plug("datanode1", "in");
  await healthy("datanode1", "datanode2 is the primary");
  expect(await roles()).toEqual(["t", "f", "t"]);
  await writing.goesOn();
  const { lost } = await writing.missing("datanode2");
  expect(lost).toEqual([]);
  // PEER.md 2b.1: everything once more, in order, wipes nothing and restarts nothing.
  const before = await starts("wiab-postgresql-guard");
  const rows = () =>
    cluster.machine("datanode2").run(`${psql} -d wire-server -c 'select count(*) from written'`);
  const count = await rows();
  expect((await deploy()).slice(0, 2)).toEqual([
    expect.stringMatching(/on datanode1 is standby$/),
    expect.stringMatching(/on datanode2 is primary$/),
  ]);
  expect(await starts("wiab-postgresql-guard")).toEqual(before);
  expect(await rows()).toBe(count);
}, 400_000);

it("copies the data back onto a node that was rebuilt empty, the first one too", async () => {
  await cluster.destroy("datanode1");
  await cluster.add("datanode1");
  await install("datanode1");
  const before = await cluster
    .machine("datanode2")
    .run(`${psql} -d wire-server -c 'select count(*) from written'`);
  await deploy();
  expect(
    await cluster.machine("datanode1").run(`${psql} -d wire-server -c 'select count(*) from written'`),
  ).toBe(before);
}, 300_000);

it("names what is wrong", async () => {
  await cluster.machine("datanode3").run("systemctl stop wiab-postgresql");
  expect(await health("datanode1")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("datanode3: PostgreSQL does not run"),
  });
  await cluster.machine("datanode3").run("systemctl --no-block start wiab-postgresql");
  await healthy("datanode1", "datanode2 is the primary");
  expect(await run("datanode1", settings(), { MAJOR: "16" })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("the data on datanode1 are of PostgreSQL 15, and the artifact has 16"),
  });
}, 200_000);

it("backs up on the primary and restores", async () => {
  const primary = cluster.machine("datanode2");
  expect(await program("datanode1", "/opt/wiab/postgresql/backup")).toEqual({
    code: 3,
    stdout: "",
    stderr: "datanode2 is the primary of PostgreSQL: it is done there\n",
  });
  const count = await primary.run(`${psql} -d wire-server -c 'select count(*) from written'`);
  expect(await program("datanode2", "/opt/wiab/postgresql/backup >backup")).toMatchObject({
    code: 0,
    stderr: "",
  });
  await primary.run(`${psql} -d wire-server -c 'drop table written' -c 'create table later (n int)'`);
  const broken = await program("datanode2", "head -c 1000 backup | /opt/wiab/postgresql/restore");
  expect(broken.code).toBe(1);
  expect(await primary.run(`${psql} -d wire-server -c 'select count(*) from later'`)).toBe("0");
  const restored = await program("datanode2", "/opt/wiab/postgresql/restore <backup");
  expect(restored).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("replacing the database wire-server on datanode2"),
  });
  expect(await primary.run(`${psql} -d wire-server -c 'select count(*) from written'`)).toBe(count);
  await healthy("datanode1", "datanode2 is the primary");
}, 200_000);

it("lets the primary leave, which the others take over from", async () => {
  const writing = await writer("datanode3");
  const all = settings("datanode2");
  for (const name of ["datanode1", "datanode3"]) expect(await run(name, all)).toMatchObject({ code: 0 });
  expect(await run("datanode2", all)).toMatchObject({ code: 0, stdout: "datanode2 has left PostgreSQL\n" });
  await writing.goesOn();
  const line = await healthy("datanode1", "datanode");
  const primary = line.split(" ")[0] ?? "";
  expect(line).toContain("1 of 1 standbys stream");
  expect((await writing.missing(primary)).lost).toEqual([]);
  expect(await run("datanode2", all)).toMatchObject({
    code: 0,
    stdout: "datanode2 has no part in PostgreSQL\n",
  });
}, 400_000);
