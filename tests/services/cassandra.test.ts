import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installationParameters } from "../../components/artifact/installation/installation";
import { nodeParameters, replicationFactor } from "../../components/data-services/cassandra/configuration";
import { type CassandraPlan, planCassandra } from "../../components/data-services/cassandra/plan";
import type { Node } from "../../components/data-services/node";
import { loadServiceScript } from "../../components/data-services/rolling";
import { renderInput } from "../../components/machine/script";
import { authorityCertificate, serverCertificate } from "../../components/secrets/certificates";
import { ed25519FromSeed, pkcs8Pem } from "../../components/secrets/keys";
import { Cluster } from "../fixtures/cluster";
import { kill } from "../fixtures/machine";
import { CassandraWriter } from "./cassandra-writer";

// A ring of real Cassandras, from its founding through changes and faults, with a client that writes all the while.

const room = "components/data-services/cassandra";
const minutes = 60_000;
const client = "192.168.122.10";
const names = ["datanode1", "datanode2", "datanode3"];
let cluster: Cluster;
let plan: CassandraPlan;
let writer: CassandraWriter;
/** What the configuration says besides the nodes. */
let settings: { readonly heapMiB?: number; readonly tls: boolean } = { tls: false };
const keyOf = (letter: string) => pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, letter)));
let authority: string;
const certificates = new Map<string, string>();

/** The nodes as the configuration has them; a change of one is given by its name. */
const nodesWith = (changes: Readonly<Record<string, Partial<Node>>> = {}): Node[] =>
  cluster
    .nodes()
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((node) => ({ ...node, ...changes[node.name] }));

function parametersOf(
  name: string,
  nodes = nodesWith(),
  { heapMiB, tls } = settings,
): Record<string, string> {
  const node = nodes.find((one) => one.name === name) as Node;
  const parameters = nodeParameters(node, { plan, nodes, clients: [client], heapMiB, tls });
  // The waits in which a ring of any size hears of a change; a few nodes on one wire take no time for it.
  const hurry = "$FIRST_BOOT -Dcassandra.ring_delay_ms=5000 -Dcassandra.skip_wait_for_gossip_to_settle=0";
  return {
    ...parameters,
    UNIT: parameters.UNIT.replace("$FIRST_BOOT", hurry),
    ...(tls && {
      PRIVATE_KEY: keyOf("s"),
      CERTIFICATE: certificates.get(name) as string,
      AUTHORITY: authority,
    }),
  };
}

/** The stack's authority, and what it gives to each node. */
async function certify(): Promise<void> {
  authority = await authorityCertificate(keyOf("a"), "test");
  for (const name of [...names, "datanode4"]) {
    const identity = { commonName: name, dnsNames: [name], addresses: [cluster.addressOf(name)] };
    const certificate = await serverCertificate(keyOf("s"), identity, {
      commonName: "test",
      key: keyOf("a"),
    });
    certificates.set(name, certificate);
  }
}

const node = (name: string, parameters = parametersOf(name)) =>
  cluster.script(name, `${room}/node.sh`, parameters);

async function nodeInOrder(name: string, parameters = parametersOf(name)): Promise<void> {
  const { code, stdout, stderr } = await node(name, parameters);
  if (code !== 0) throw new Error(`node.sh on ${name}:\n${stdout}${stderr}`);
}

const ready = (staying = names) =>
  cluster.script(staying[0] as string, `${room}/ready.sh`, {
    VERSION: plan.version,
    NODES: staying.join(" "),
  });

const run = (name: string, commands: string) => cluster.machine(name).run(commands);
const health = (name: string) => run(name, "/opt/wiab/cassandra/health 2>&1");
const pid = (name: string) => run(name, "systemctl show --property=MainPID --value cassandra.service");
const hostId = (name: string) => cql(name, "SELECT host_id FROM system.local");

/** Asks a node for something in CQL, at QUORUM; rows come as lines of JSON. */
const cql = (name: string, statement: string) =>
  run(
    name,
    `python3 - <<'PYTHON'
import json, os, sys
sys.path.insert(0, "/opt/wiab/cassandra")
import cql, ring
here = {"name": "", "address": "${cluster.addressOf(name)}", "retiring": False}
with ring.Node(here, os.path.exists(ring.AUTHORITY)).session() as session:
    for row in session.query(${JSON.stringify(statement)}, cql.QUORUM):
        print(json.dumps(row))
PYTHON`,
  );

/** Waits on the machine until a command succeeds there. */
const eventually = (name: string, command: string) =>
  run(
    name,
    `for i in $(seq 240); do if text=$(${command} 2>&1); then echo "$text"; exit; fi; sleep 1; done; echo "$text"; exit 1`,
  );

/** For {@link eventually}: the health check says so. */
const saying = (text: string) => `{ /opt/wiab/cassandra/health 2>&1 || true; } | grep '${text}'`;

async function prepare(name: string): Promise<void> {
  const parameters = installationParameters(plan.installation, cluster.assets);
  const { code, stderr } = await cluster.script(
    name,
    "components/artifact/installation/install.sh",
    parameters,
  );
  if (code !== 0) throw new Error(stderr);
}

beforeAll(async () => {
  cluster = await Cluster.start(names);
  plan = planCassandra(cluster.artifact);
  await certify();
  await Promise.all(names.map(prepare));
}, 10 * minutes);
afterAll(async () => {
  await writer?.stop();
  await cluster?.stop();
});

describe("founding", () => {
  it(
    "is for nobody but who has leave to",
    async () => {
      // Nobody answers, and the disk is empty: it may be that of a lost node as well.
      const child = cluster.machine("datanode1").spawn("-s", "--", "apply");
      child.stdin?.end(renderInput(loadServiceScript(room, "node.sh"), parametersOf("datanode1")));
      await eventually("datanode1", "test -e /opt/wiab/cassandra/restore && pgrep -f ring.py");
      await kill(child);
      expect(await run("datanode1", "ls /var/lib/cassandra; pgrep java || true")).toBe("tmp");
    },
    5 * minutes,
  );

  it(
    "goes on where a killed run has stopped, one node after another",
    async () => {
      expect((await cluster.script("datanode1", `${room}/found.sh`, {})).code).toBe(0);
      await nodeInOrder("datanode1");
      const child = cluster.machine("datanode2").spawn("-s", "--", "apply");
      child.stdin?.end(renderInput(loadServiceScript(room, "node.sh"), parametersOf("datanode2")));
      await eventually(
        "datanode2",
        "systemctl is-active cassandra.service && test ! -e /run/wiab-cassandra.changed",
      );
      await kill(child);
      const before = await pid("datanode2");
      await nodeInOrder("datanode2");
      expect(await pid("datanode2")).toBe(before);
      await nodeInOrder("datanode3");
      const { code, stdout, stderr } = await ready();
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(
        /^3 of 3 nodes UN in every view; one schema version; row written at QUORUM on datanode\d read on datanode\d after \d+ ms/,
      );
    },
    10 * minutes,
  );

  it(
    "changes nothing when all scripts run again",
    async () => {
      const state = () =>
        Promise.all(
          names.map((name) =>
            run(
              name,
              "pgrep -x java; find /etc/wiab/cassandra /etc/systemd/system /opt/wiab/cassandra -path '*/dist' -prune -o -type f ! -name '*.pyc' -printf '%p %C@\\n'; ls /var/lib/cassandra; nft list ruleset",
            ),
          ),
        );
      const before = await state();
      for (const name of names) {
        await prepare(name);
        await nodeInOrder(name);
      }
      expect((await ready()).code).toBe(0);
      expect(await state()).toEqual(before);
    },
    5 * minutes,
  );

  it(
    "makes the health check's keyspaces anew when they were changed by hand",
    async () => {
      await cql("datanode2", "DROP KEYSPACE wiab");
      await eventually("datanode3", saying("keyspace wiab does not exist"));
      expect((await ready()).code).toBe(0);
      expect(await health("datanode3")).toContain("3 of 3 nodes UN");
    },
    5 * minutes,
  );
});

describe("access", () => {
  it(
    "is for nodes and clients",
    async () => {
      const reach = (port: number, source: string) =>
        cluster.assetHost.run(
          `python3 -c "import socket; socket.create_connection(('${cluster.addressOf("datanode1")}', ${port}), 5, ('${source}', 0))"`,
        );
      await cluster.assetHost.run("ip address add 192.168.122.99/24 dev eth0");
      await reach(9042, client);
      await expect(reach(9042, "192.168.122.99")).rejects.toThrow(/refused/);
      await expect(reach(7000, client)).rejects.toThrow(/refused/);
      await expect(reach(7199, client)).rejects.toThrow(/refused/);
    },
    minutes,
  );
});

describe("with a client that writes", () => {
  beforeAll(async () => {
    const factor = replicationFactor(nodesWith());
    await cql(
      "datanode1",
      `CREATE KEYSPACE brig WITH replication = {'class': 'SimpleStrategy', 'replication_factor': ${factor}}`,
    );
    await cql("datanode1", "CREATE TYPE brig.asset (kind int, name text)");
    await cql(
      "datanode1",
      "CREATE TABLE brig.\"user\" (id int PRIMARY KEY, name text, assets list<frozen<asset>>) WITH comment = 'a;b'",
    );
    writer = await CassandraWriter.start(
      cluster.assetHost,
      names.map((name) => cluster.addressOf(name)),
      authority,
    );
  }, 5 * minutes);

  /** What the client was told to be kept is there, and it was told so while something happened. */
  async function nothingIsLost(during: () => Promise<unknown>): Promise<void> {
    const before = await writer.acknowledged();
    await during();
    await writer.writesOn();
    const { acknowledged, missing } = await writer.check();
    expect(missing).toEqual([]);
    expect(acknowledged).toBeGreaterThan(before);
  }

  it(
    "goes on while a node dies and one is off the network, says which, and restarts no other meanwhile",
    async () => {
      await nothingIsLost(async () => {
        await run("datanode2", "kill -9 $(systemctl show --property=MainPID --value cassandra.service)");
        await eventually("datanode2", "/opt/wiab/cassandra/health");
        cluster.plug("datanode3", "out");
        await expect(health("datanode1")).rejects.toThrow(
          /datanode3 \(192\.168\.122\.33\) does not answer at port 9042/,
        );
        const before = await pid("datanode1");
        const refused = await node(
          "datanode1",
          parametersOf("datanode1", nodesWith(), { heapMiB: 300, tls: false }),
        );
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(
          /datanode1 has to restart, and the others cannot do without it: datanode3/,
        );
        expect(await pid("datanode1")).toBe(before);
        cluster.plug("datanode3", "in");
        await eventually("datanode1", "/opt/wiab/cassandra/health");
      });
    },
    10 * minutes,
  );

  it(
    "sees nodes that do not see each other, and a schema that differs",
    async () => {
      await run(
        "datanode3",
        "nft -f - <<<'table inet cut { chain input { type filter hook input priority 0; tcp dport 7000 drop; }; chain output { type filter hook output priority 0; tcp dport 7000 drop; }; }'",
      );
      await eventually("datanode1", saying("datanode3 is down in the view of datanode1"));
      await cql("datanode1", "CREATE TABLE brig.late (k int PRIMARY KEY)");
      await eventually("datanode1", saying("datanode1 is down in the view of datanode3"));
      const text = await health("datanode1").catch(String);
      expect(text).toMatch(/the schema differs: datanode1 has \S+, datanode2 has \S+, datanode3 has/);
      expect(text).not.toContain("datanode2 is down in the view of datanode1");
      await run("datanode3", "nft delete table inet cut");
      await eventually("datanode1", "/opt/wiab/cassandra/health");
    },
    10 * minutes,
  );

  it(
    "rolls a change of settings through the nodes, TLS for every client among them",
    async () => {
      const before = await Promise.all(names.map(pid));
      settings = { heapMiB: 300, tls: true };
      await nothingIsLost(async () => {
        for (const name of names) await nodeInOrder(name);
      });
      const after = await Promise.all(names.map(pid));
      for (const [at, id] of after.entries()) expect(id).not.toBe(before[at]);
      expect(await run("datanode1", `tr '\\0' ' ' </proc/${after[0]}/cmdline`)).toContain("-Xmx300M");
      await nodeInOrder("datanode1");
      expect(await pid("datanode1")).toBe(after[0]);
      await expect(
        run(
          "datanode1",
          `cd /opt/wiab/cassandra && python3 -Bc 'import cql; cql.Session("${cluster.addressOf("datanode1")}")'`,
        ),
      ).rejects.toThrow(/Connection/);
      expect(
        await run(
          "datanode1",
          "stat --format '%a %U %G' /etc/wiab/cassandra/server.p12 /etc/wiab/cassandra/server.pem",
        ),
      ).toBe("640 root cassandra\n600 root root");
    },
    10 * minutes,
  );

  it(
    "takes the first node back when its machine was made anew, into the same ring",
    async () => {
      const others = await hostId("datanode2");
      await nothingIsLost(async () => {
        await cluster.destroy("datanode1");
        await cluster.add("datanode1");
        await prepare("datanode1");
        await nodeInOrder("datanode1");
      });
      expect(await health("datanode1")).toContain("3 of 3 nodes UN");
      expect(await hostId("datanode2")).toBe(others);
      expect((await ready()).code).toBe(0);
    },
    10 * minutes,
  );

  it(
    "refuses to shrink below the copies that it keeps",
    async () => {
      const nodes = nodesWith({ datanode3: { retiring: true } });
      const { code, stderr } = await node("datanode3", parametersOf("datanode3", nodes));
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /datanode3 cannot retire: the ring keeps 3 copies .*brig.* 2 nodes would be left/,
      );
    },
    5 * minutes,
  );

  it(
    "takes a fourth node in, and lets one go that gives its data to the others",
    async () => {
      await nothingIsLost(async () => {
        await cluster.add("datanode4");
        await prepare("datanode4");
        for (const name of [...names, "datanode4"]) await nodeInOrder(name);
        expect((await ready([...names, "datanode4"])).stdout).toContain("4 of 4 nodes UN");
      });
      const nodes = nodesWith({ datanode2: { retiring: true } });
      await nothingIsLost(async () => {
        for (const { name } of nodes) await nodeInOrder(name, parametersOf(name, nodes));
        expect((await ready(["datanode1", "datanode3", "datanode4"])).stdout).toContain("3 of 3 nodes UN");
      });
      expect(await run("datanode2", "pgrep -x java || echo none")).toBe("none");
      await nodeInOrder("datanode2", parametersOf("datanode2", nodes));
    },
    15 * minutes,
  );
});

describe("backup", () => {
  it(
    "is restored in place of what is there, if it is whole",
    async () => {
      const rows = () => cql("datanode1", 'SELECT id, name FROM brig."user" WHERE id IN (1, 2, 3)');
      await cql(
        "datanode1",
        "INSERT INTO brig.\"user\" (id, name, assets) VALUES (1, 'kept', [{kind: 1, name: 'x'}])",
      );
      await cql("datanode1", "INSERT INTO brig.\"user\" (id, name) VALUES (2, 'kept')");
      const before = await rows();
      await run("datanode1", "/opt/wiab/cassandra/backup >/root/backup.tar");
      expect(await run("datanode1", "find /var/lib/cassandra/data -path '*/snapshots/wiab-*'")).toBe("");
      await cql("datanode1", 'DELETE FROM brig."user" WHERE id = 2');
      await cql("datanode1", "INSERT INTO brig.\"user\" (id, name) VALUES (3, 'later')");
      await run(
        "datanode1",
        "cp /root/backup.tar /root/cut.tar && tar --delete --file /root/cut.tar complete",
      );
      for (const part of ["head -c 3000 /root/backup.tar", "cat /root/cut.tar"])
        await expect(run("datanode1", `${part} | /opt/wiab/cassandra/restore 2>&1`)).rejects.toThrow(
          /no whole backup of Cassandra, nothing was changed/,
        );
      const said = await run("datanode1", "/opt/wiab/cassandra/restore </root/backup.tar 2>&1");
      expect(said).toMatch(/emptied before: .*brig\.user/);
      expect(await rows()).toBe(before);
      await cql("datanode1", "DROP KEYSPACE brig");
      await run("datanode1", "/opt/wiab/cassandra/restore </root/backup.tar");
      expect(await rows()).toBe(before);
      expect(await health("datanode1")).toContain("3 of 3 nodes UN");
    },
    10 * minutes,
  );
});

describe("versions", () => {
  it.each([
    ["an older one", "4.1.3", /4\.1\.3 cannot read its data/],
    [
      "one that skips a major version",
      "7.0.1",
      /no step leads to 7\.0\.1: deploy an artifact with a version 6 first/,
    ],
  ])(
    "refuses %s before it touches anything",
    async (_, version, message) => {
      const before = await pid("datanode1");
      const { code, stderr } = await node("datanode1", { ...parametersOf("datanode1"), VERSION: version });
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
      expect(await pid("datanode1")).toBe(before);
    },
    minutes,
  );
});
