import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeParameters } from "../../components/data-services/elasticsearch/configuration";
import { type ElasticsearchPlan, planElasticsearch } from "../../components/data-services/elasticsearch/plan";
import { installationParameters } from "../../components/data-services/installation/installation";
import { loadServiceScript } from "../../components/data-services/rolling";
import { renderInput } from "../../components/remote/script";
import { Cluster } from "../fixtures/cluster";
import { ended, kill, until } from "../fixtures/machine";

const room = "components/data-services/elasticsearch";
const client = "192.168.122.10";
const minutes = (count: number) => count * 60_000;

let cluster: Cluster;
let plan: ElasticsearchPlan;

/** Installs what the component installs. */
async function prepare(name: string): Promise<void> {
  const machine = cluster.machine(name);
  // Elasticsearch asks for 65535 open files, which this computer need not allow; without this module it cannot count.
  machine.write(
    "/etc/systemd/system/elasticsearch.service.d/tests.conf",
    '[Service]\nEnvironment="JDK_JAVA_OPTIONS=--limit-modules=java.se,jdk.unsupported,jdk.zipfs,jdk.crypto.ec,jdk.localedata,jdk.charsets,jdk.net"\n',
  );
  const parameters = installationParameters(plan.installation, cluster.assets);
  const { code, stderr } = await cluster.script(
    name,
    "components/data-services/installation/install.sh",
    parameters,
  );
  if (code !== 0) throw new Error(stderr);
}

interface Change {
  readonly heapMiB?: number;
  readonly retiring?: string;
  readonly version?: string;
}

function parameters(name: string, { heapMiB, retiring, version }: Change = {}) {
  const nodes = cluster.nodes().map((node) => ({ ...node, retiring: node.name === retiring }));
  const node = nodes.find((each) => each.name === name);
  if (!node) throw new Error(name);
  return {
    ...nodeParameters(node, { plan, nodes, clients: [client], heapMiB }),
    ...(version && { VERSION: version }),
  };
}

const turn = (name: string, change?: Change) =>
  cluster.script(name, `${room}/node.sh`, parameters(name, change));

/** All turns as the program has them, and the end of them; gives the last line. */
async function up(change: Change = {}): Promise<string> {
  const names = cluster.nodes().map(({ name }) => name);
  const leaving = names.filter((name) => name === change.retiring);
  for (const name of [...names.filter((each) => !leaving.includes(each)), ...leaving]) {
    const run = await turn(name, change);
    if (run.code !== 0) throw new Error(`${name}: ${run.stdout}${run.stderr}`);
  }
  const first = names.find((name) => !leaving.includes(name)) ?? "";
  const ready = await cluster.script(first, `${room}/ready.sh`, parameters(first, change));
  if (ready.code !== 0) throw new Error(`ready: ${ready.stdout}${ready.stderr}`);
  return ready.stdout.trim();
}

const run = (name: string, command: string) =>
  ended(cluster.machine(name).spawn("-c", `/opt/wiab/elasticsearch/${command}`));

/** Waits on the machine until a command succeeds there. */
const eventually = (name: string, command: string) =>
  cluster.machine(name).run(`for i in $(seq 300); do if ${command}; then exit; fi; sleep 1; done; exit 1`);

/** Asks a node as the admitted client does. */
async function ask<Answer>(name: string, path: string, options = ""): Promise<Answer> {
  const url = `http://${cluster.addressOf(name)}:9200${path}`;
  const program = [
    "import sys, urllib.request as r",
    "request = r.Request(sys.argv[1], method=sys.argv[2] or 'GET', data=(sys.argv[3].encode() or None),",
    "  headers={'Content-Type': 'application/json'})",
    "print(r.urlopen(request, timeout=60).read().decode())",
  ].join("\n");
  const [method = "", ...body] = options.split(" ");
  const text = await cluster.assetHost.run(
    `python3 - '${url}' '${method}' '${body.join(" ")}' <<'END'\n${program}\nEND`,
  );
  return JSON.parse(text);
}

const uuid = async (name: string) => (await ask<{ cluster_uuid: string }>(name, "/")).cluster_uuid;
const count = async (name: string, index: string, query = "") =>
  (await ask<{ count: number }>(name, `/${index}/_count${query}`)).count;

const processes = () =>
  Promise.all(
    cluster
      .nodes()
      .map(({ name }) =>
        cluster.machine(name).run("systemctl show --property=MainPID --value elasticsearch.service"),
      ),
  );
const files = () =>
  Promise.all(
    cluster
      .nodes()
      .map(({ name }) =>
        cluster
          .machine(name)
          .run("find /etc/wiab /etc/systemd /opt/wiab /etc/sysctl.d -type f -printf '%p %C@\\n' | sort"),
      ),
  );

/** Writes documents one after another through whichever node takes them, while something is done to the cluster. */
async function whileWriting(index: string, action: () => Promise<void>): Promise<number> {
  const addresses = cluster.nodes().map(({ address }) => address);
  cluster.assetHost.write(
    "/root/writer.py",
    [
      "import json, os, sys, urllib.request as r",
      `nodes, done, turn = ${JSON.stringify(addresses)}, [], 0`,
      "while not os.path.exists('/root/stop'):",
      "    try:",
      `        request = r.Request(f'http://{nodes[turn % len(nodes)]}:9200/${index}/_doc/{len(done)}',`,
      "            method='PUT', data=b'{\"n\": %d}' % len(done), headers={'Content-Type': 'application/json'})",
      "        r.urlopen(request, timeout=5).read()",
      "        done.append(len(done))",
      "        open('/root/done', 'w').write(str(len(done)))",
      "    except OSError:",
      "        turn += 1",
    ].join("\n"),
  );
  await cluster.assetHost.run("rm -f /root/stop /root/done");
  const written = async () => Number(await cluster.assetHost.run("cat /root/done 2>/dev/null || echo 0"));
  const writer = ended(cluster.assetHost.spawn("-c", "python3 /root/writer.py"));
  try {
    await until("something is written", async () => (await written()) > 0);
    await action();
    const before = await written();
    await until("it is written on", async () => (await written()) > before);
  } finally {
    await cluster.assetHost.run("touch /root/stop");
    await writer;
  }
  return written();
}

beforeAll(async () => {
  cluster = await Cluster.start(["datanode1", "datanode2", "datanode3"]);
  plan = planElasticsearch(cluster.artifact);
  await Promise.all(cluster.nodes().map(({ name }) => prepare(name)));
}, minutes(10));
afterAll(() => cluster?.stop());

describe("Elasticsearch on three nodes", () => {
  it(
    "is founded, though a run is killed in the middle, and is left alone by later runs",
    async () => {
      const killed = cluster.machine("datanode1").spawn("-s", "--", "apply");
      killed.stdin?.end(renderInput(loadServiceScript(room, "node.sh"), parameters("datanode1")));
      await eventually("datanode1", "test -e /etc/wiab/elasticsearch/elasticsearch.yml");
      await kill(killed);

      expect(await up()).toMatch(
        /^3 of 3 nodes follow datanode\d, quorum 2; green with \d+ shard copies; document written on datanode1 found on datanode2 after \d+ ms, datanode3 after \d+ ms$/,
      );
      const before = { processes: await processes(), files: await files() };
      await up();
      expect({ processes: await processes(), files: await files() }).toEqual(before);
    },
    minutes(20),
  );

  it(
    "lets in nodes and clients, each to its ports",
    async () => {
      const reach = (port: number) =>
        cluster.assetHost.run(`timeout 5 bash -c '</dev/tcp/${cluster.addressOf("datanode1")}/${port}'`).then(
          () => "open",
          () => "closed",
        );
      expect([await reach(9200), await reach(9300)]).toEqual(["open", "closed"]);
      await cluster
        .machine("datanode1")
        .run(
          "sed -i 's/, 192.168.122.10//' /etc/wiab/elasticsearch/admit.nft; systemctl restart wiab-admit-elasticsearch",
        );
      expect(await reach(9200)).toBe("closed");
      expect((await turn("datanode1")).code).toBe(0);
      expect(await reach(9200)).toBe("open");
    },
    minutes(5),
  );

  it(
    "keeps every acknowledged document while a node is killed, one is cut off, and all of them get new settings",
    async () => {
      await ask(
        "datanode1",
        "/rolling",
        'PUT {"settings": {"number_of_shards": 2, "number_of_replicas": 2}}',
      );
      const before = await processes();
      const written = await whileWriting("rolling", async () => {
        await cluster
          .machine("datanode2")
          .run("kill -9 $(systemctl show --property=MainPID --value elasticsearch.service)");
        expect((await turn("datanode2")).code).toBe(0);
        cluster.plug("datanode3", "out");
        const cut = await run("datanode1", "health");
        expect(cut).toMatchObject({ code: 1, stdout: "" });
        expect(cut.stderr).toContain("datanode3");
        const refused = await turn("datanode1", { heapMiB: 300 });
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/datanode1 is not restarted: .* datanode3 is not there/);
        expect((await processes())[0]).toBe(before[0]);
        cluster.plug("datanode3", "in");
        expect(await up({ heapMiB: 300 })).toContain("3 of 3 nodes");
      });
      for (const [index, process] of (await processes()).entries()) expect(process).not.toBe(before[index]);
      await ask("datanode1", "/rolling/_refresh", "POST");
      expect(await count("datanode3", "rolling", `?q=n:%3C${written}`)).toBe(written);
    },
    minutes(20),
  );

  it(
    "backs all documents up on one node alone, and gives them back as they were",
    async () => {
      await ask(
        "datanode1",
        "/people",
        'PUT {"settings": {"number_of_shards": 2}, "mappings": {"_doc": {"properties": {"handle": {"type": "keyword"}}}}, "aliases": {"folk": {}}}',
      );
      for (const number of [1, 2, 3])
        await ask(
          "datanode1",
          `/people/_doc/${number}?version=${number + 40}&version_type=external&refresh=true`,
          `PUT {"handle": "h${number}"}`,
        );
      const mappings = await ask("datanode1", "/people/_mapping");
      const runs = await Promise.all(
        cluster.nodes().map(async ({ name }) => ({ name, ...(await run(name, "backup >/root/backup.tar")) })),
      );
      expect(runs.map(({ code }) => code).sort()).toEqual([0, 3, 3]);
      const one = runs.find(({ code }) => code === 0)?.name ?? "";
      for (const { name } of runs.filter(({ code }) => code === 3))
        expect(await cluster.machine(name).run("stat --format %s /root/backup.tar")).toBe("0");

      await ask("datanode1", "/people/_doc/1?refresh=true&version=90&version_type=external", "DELETE");
      const broken = await run(one, "restore < <(head -c 4000 /root/backup.tar)");
      expect(broken.code).toBe(1);
      expect(await count("datanode1", "people")).toBe(2);
      await ask("datanode1", "/people", "DELETE");
      const restored = await run(one, "restore </root/backup.tar");
      expect(restored).toMatchObject({ code: 0 });
      expect(restored.stderr).toContain("making index people with the 3 documents");
      expect(await ask("datanode2", "/people/_mapping")).toEqual(mappings);
      expect(await count("datanode2", "folk")).toBe(3);
      expect(await ask("datanode2", "/people/_doc/2")).toMatchObject({
        _version: 42,
        _source: { handle: "h2" },
      });
      await ask("datanode1", "/people", "DELETE");
    },
    minutes(5),
  );

  it(
    "has its first node, rebuilt empty, join the others and never found a cluster of its own",
    async () => {
      const before = await uuid("datanode2");
      const documents = await count("datanode2", "rolling");
      await cluster.destroy("datanode1");
      await cluster.add("datanode1");
      await prepare("datanode1");
      cluster.plug("datanode1", "out");
      expect((await turn("datanode1", { heapMiB: 300 })).code).toBe(0);
      await eventually(
        "datanode1",
        "journalctl --lines 100 --unit elasticsearch.service | grep 'not enough master nodes'",
      );
      cluster.plug("datanode1", "in");
      expect(await up({ heapMiB: 300 })).toContain("3 of 3 nodes");
      expect(await uuid("datanode1")).toBe(before);
      expect(await count("datanode1", "rolling")).toBe(documents);
    },
    minutes(20),
  );

  it(
    "takes another node in, and lets one go that the others can replace",
    async () => {
      await cluster.add("datanode4");
      await prepare("datanode4");
      expect(await up({ heapMiB: 300 })).toContain("4 of 4 nodes follow");
      await ask("datanode1", "/wide", 'PUT {"settings": {"number_of_shards": 1, "number_of_replicas": 3}}');
      const kept = await turn("datanode4", { heapMiB: 300, retiring: "datanode4" });
      expect(kept.code).toBe(1);
      expect(kept.stderr).toContain("index wide keeps 4 copies of its shards, and 3 nodes remain");
      await ask("datanode1", "/wide", "DELETE");
      const documents = await count("datanode1", "rolling");
      expect(await up({ heapMiB: 300, retiring: "datanode4" })).toMatch(
        /3 of 3 nodes follow datanode\d, quorum 2/,
      );
      expect(await count("datanode1", "rolling")).toBe(documents);
      expect((await turn("datanode4", { heapMiB: 300, retiring: "datanode4" })).stdout).toContain(
        "has left datanode4",
      );
      await cluster.destroy("datanode4");
    },
    minutes(20),
  );

  it(
    "does not go back to an older version",
    async () => {
      const refused = await turn("datanode1", { heapMiB: 300, version: "6.8.10" });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("cannot go back to 6.8.10");
    },
    minutes(2),
  );
});
