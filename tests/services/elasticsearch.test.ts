import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installationParameters } from "../../components/artifact/installation/installation";
import { nodeParameters } from "../../components/data-services/elasticsearch/configuration";
import { type ElasticsearchPlan, planElasticsearch } from "../../components/data-services/elasticsearch/plan";
import { loadServiceScript } from "../../components/data-services/rolling";
import { renderInput } from "../../components/machine/script";
import { Cluster } from "../fixtures/cluster";
import { ended, kill, until } from "../fixtures/machine";

const room = "components/data-services/elasticsearch";
const client = "192.168.122.10";
const minutes = (count: number) => count * 60_000;

let cluster: Cluster;
let plan: ElasticsearchPlan;

/** Installs what the component installs. */
async function prepare(name: string): Promise<void> {
  const parameters = installationParameters(plan.installation, cluster.assets);
  const { code, stderr } = await cluster.script(
    name,
    "components/artifact/installation/install.sh",
    parameters,
  );
  if (code !== 0) throw new Error(stderr);
}

interface Change {
  readonly version?: string;
  readonly heapMiB?: number;
  readonly retiring?: string;
}

function parameters(name: string, { version = plan.version, heapMiB, retiring }: Change = {}) {
  const nodes = cluster
    .nodes()
    .map((node) => ({ ...node, retiring: node.name === retiring }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const node = nodes.find((each) => each.name === name);
  if (!node) throw new Error(name);
  return {
    ...nodeParameters(node, { plan, nodes, clients: [client], ...(heapMiB && { heapMiB }) }),
    VERSION: version,
  };
}

const turn = (name: string, change?: Change) =>
  cluster.script(name, `${room}/node.sh`, parameters(name, change));

/** All turns as the program has them, those that leave last, and the end of them; gives the last line. */
async function up(change: Change = {}): Promise<string> {
  const names = cluster.nodes().map(({ name }) => name);
  const staying = names.filter((name) => name !== change.retiring).sort();
  for (const name of [...staying, ...names.filter((each) => each === change.retiring)]) {
    const { code, stdout, stderr } = await turn(name, change);
    if (code !== 0) throw new Error(`${name}: ${stdout}${stderr}`);
  }
  const ready = await cluster.script("datanode1", `${room}/ready.sh`, parameters("datanode1", change));
  if (ready.code !== 0) throw new Error(`ready: ${ready.stdout}${ready.stderr}`);
  return ready.stdout.trim();
}

const run = (name: string, command: string) =>
  ended(cluster.machine(name).spawn("-c", `/opt/wiab/elasticsearch/${command}`));

const asking = `
import sys, urllib.request
method, url, body = sys.argv[1], sys.argv[2], sys.stdin.buffer.read() or None
request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
print(urllib.request.urlopen(request, timeout=180).read().decode())
`;

/** Asks a node, as the client on the network. */
async function ask(node: string, method: string, path: string, body?: object) {
  const url = `http://${cluster.addressOf(node)}:9200${path}`;
  const child = cluster.assetHost.spawn("-c", `exec python3 /root/asking.py ${method} '${url}'`);
  const { code, stdout, stderr } = await ended(child, body ? JSON.stringify(body) : "");
  if (code !== 0) throw new Error(`${method} ${url}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Writes documents one after another, each acknowledged by a majority of its copies, through whatever node takes it. */
const writing = `
import http.client, itertools, os, sys
nodes, node, number = itertools.cycle(sys.argv[1:]), sys.argv[1], 0
while not os.path.exists("/root/enough"):
    try:
        connection = http.client.HTTPConnection(node, 9200, timeout=15)
        body, kind = '{"number": %d}' % number, {"Content-Type": "application/json"}
        connection.request("PUT", f"/written/_doc/{number}?wait_for_active_shards=2&timeout=10s", body, kind)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201):
            raise OSError(answer.status)
        number += 1
        with open("/root/acknowledged.new", "w") as file:
            file.write(str(number))
        os.rename("/root/acknowledged.new", "/root/acknowledged")
    except (OSError, http.client.HTTPException):
        node = next(nodes)
    finally:
        connection.close()
`;

/** Has a client write while something happens; all that was acknowledged is found on every node afterwards. */
async function nothingIsLost(happens: (goesOn: () => Promise<void>) => Promise<void>): Promise<void> {
  const host = cluster.assetHost;
  host.write("/root/writing.py", writing);
  host.write("/root/acknowledged", "0");
  const nodes = cluster.nodes();
  await host.run("rm -f /root/enough");
  const settings = { index: { number_of_shards: 1, number_of_replicas: 2 } };
  await ask("datanode1", "PUT", "/written", { settings });
  const acknowledged = () => Number(host.read("/root/acknowledged"));
  const goesOn = async () => {
    const soFar = acknowledged();
    await until("more is acknowledged", () => acknowledged() > soFar + 5, 150);
  };
  const addresses = nodes.map(({ address }) => address).join(" ");
  const writer = ended(host.spawn("-c", `exec python3 /root/writing.py ${addresses}`));
  try {
    await goesOn();
    await happens(goesOn);
    await goesOn();
  } finally {
    await host.run("touch /root/enough");
    expect(await writer).toMatchObject({ code: 0, stderr: "" });
  }
  await ask("datanode1", "POST", "/written/_refresh");
  const count = acknowledged();
  for (const { name } of cluster.nodes()) {
    // The copy of this node alone.
    const search = `/written/_search?preference=_local&size=0&q=number:%5B0%20TO%20${count - 1}%5D`;
    expect((await ask(name, "GET", search)).hits.total, name).toBe(count);
  }
  await ask("datanode1", "DELETE", "/written");
}

/** Waits on the machine until a command succeeds there. */
const eventually = (name: string, command: string) =>
  cluster.machine(name).run(`for i in $(seq 300); do if ${command}; then exit; fi; sleep 1; done; exit 1`);

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

beforeAll(async () => {
  cluster = await Cluster.start(["datanode1", "datanode2", "datanode3"]);
  plan = planElasticsearch(cluster.artifact);
  cluster.assetHost.write("/root/asking.py", asking);
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
    "does not go back to an older version",
    async () => {
      const refused = await turn("datanode1", { version: "6.8.10" });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("cannot go back to 6.8.10");
    },
    minutes(2),
  );

  it(
    "takes a change of settings node by node, and no acknowledged document is lost",
    async () => {
      const before = await processes();
      await nothingIsLost(async () => {
        expect(await up({ heapMiB: 300 })).toContain("3 of 3 nodes follow");
      });
      for (const [index, process] of (await processes()).entries()) expect(process).not.toBe(before[index]);
      const command = await cluster
        .machine("datanode2")
        .run(`tr '\\0' ' ' </proc/${(await processes())[1]}/cmdline`);
      expect(command).toContain("-Xmx300m");
    },
    minutes(15),
  );

  it(
    "goes on when a node's service is killed and when one is unplugged, and restarts no other meanwhile",
    async () => {
      await nothingIsLost(async (goesOn) => {
        const [, killed] = await processes();
        await cluster.machine("datanode2").run(`kill -9 ${killed}`);
        await goesOn();
        await eventually("datanode2", "/opt/wiab/elasticsearch/health >/dev/null 2>&1");
        cluster.plug("datanode3", "out");
        await goesOn();
        const cut = await run("datanode1", "health");
        expect(cut).toMatchObject({ code: 1, stdout: "" });
        expect(cut.stderr).toContain("datanode3");
        const before = await processes();
        const refused = await turn("datanode1", { heapMiB: 280 });
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/datanode1 is not restarted: .*datanode3 is not there/);
        expect(await processes()).toEqual(before);
        cluster.plug("datanode3", "in");
        await eventually("datanode1", "/opt/wiab/elasticsearch/health >/dev/null 2>&1");
      });
      expect(await up({ heapMiB: 300 })).toContain("3 of 3 nodes follow");
    },
    minutes(15),
  );

  it(
    "takes writes again after a disk was full",
    async () => {
      const watermarks = (share: string | null) =>
        ask("datanode1", "PUT", "/_cluster/settings", {
          transient: Object.fromEntries(
            ["low", "high", "flood_stage"].map((name) => [
              `cluster.routing.allocation.disk.watermark.${name}`,
              share,
            ]),
          ),
        });
      const health = "/opt/wiab/elasticsearch/health 2>&1";
      await ask("datanode1", "PUT", "/directory", { settings: { index: { number_of_replicas: 2 } } });
      // Every disk is fuller than that: Elasticsearch does what it does at 95 %.
      await watermarks("0.001%");
      await eventually("datanode1", `${health} | grep -q 'directory take no writes'`);
      await watermarks(null);
      for (const { name } of cluster.nodes())
        await cluster.machine(name).run("systemctl start wiab-elasticsearch-care.service");
      await ask("datanode1", "PUT", "/directory/_doc/one", { name: "ä" });
      await ask("datanode1", "DELETE", "/directory");
      await eventually("datanode1", `${health} >/dev/null`);
    },
    minutes(10),
  );

  it(
    "has a node, rebuilt empty, join again with all that it had",
    async () => {
      await nothingIsLost(async () => {
        await cluster.destroy("datanode1");
        await cluster.add("datanode1");
        await prepare("datanode1");
        expect(await up({ heapMiB: 300 })).toContain("3 of 3 nodes follow");
      });
    },
    minutes(15),
  );

  it(
    "backs everything up on the master alone, and gives it back as it was",
    async () => {
      const document = { name: "ä b", tags: ["one", "two"] };
      const settings = { index: { number_of_shards: 2, number_of_replicas: 1 } };
      await ask("datanode1", "PUT", "/directory", { settings, aliases: { people: {} } });
      // Its version is kept, for brig counts in it.
      await ask("datanode1", "PUT", "/directory/_doc/one?version=7&version_type=external_gte", document);
      await ask("datanode1", "POST", "/directory/_refresh");
      const runs = await Promise.all(
        cluster.nodes().map(async ({ name }) => ({ name, ...(await run(name, "backup >/root/backup.tar")) })),
      );
      expect(runs.map(({ code }) => code).sort()).toEqual([0, 3, 3]);
      const master = runs.find(({ code }) => code === 0)?.name as string;
      await ask("datanode1", "PUT", "/directory/_doc/two?refresh=true", { name: "later" });
      await ask("datanode1", "DELETE", "/directory/_doc/one?refresh=true");
      const broken = await run(master, "restore < <(head -c 3000 /root/backup.tar)");
      expect(broken.code).toBe(1);
      expect(broken.stderr).toMatch(/not a whole one|nothing has been changed/);
      expect((await ask("datanode1", "GET", "/directory/_count")).count).toBe(1);
      const restored = await run(master, "restore </root/backup.tar");
      expect(restored).toMatchObject({ code: 0 });
      expect(restored.stderr).toContain("replacing index directory, 1 documents, by the 1 documents");
      for (const { name } of cluster.nodes())
        expect(await ask(name, "GET", "/people/_doc/one")).toMatchObject({ _version: 7, _source: document });
      await ask("datanode1", "DELETE", "/directory");
      expect(await run(master, "restore </root/backup.tar")).toMatchObject({ code: 0 });
      expect((await ask("datanode1", "GET", "/people/_count")).count).toBe(1);
      expect((await run("datanode1", "health")).code).toBe(0);
    },
    minutes(5),
  );

  it(
    "takes a fourth node in, and lets one go that gives its shards to the others",
    async () => {
      await nothingIsLost(async () => {
        await cluster.add("datanode4");
        await prepare("datanode4");
        expect(await up({ heapMiB: 300 })).toContain("4 of 4 nodes follow");
        expect(await up({ heapMiB: 300, retiring: "datanode4" })).toContain("3 of 3 nodes follow");
        await cluster.destroy("datanode4");
      });
    },
    minutes(15),
  );
});
