import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeParameters } from "../../components/data-services/elasticsearch/configuration";
import { type ElasticsearchPlan, planElasticsearch } from "../../components/data-services/elasticsearch/plan";
import { installationParameters } from "../../components/data-services/installation/installation";
import { loadServiceScript } from "../../components/data-services/rolling";
import { renderInput } from "../../components/remote/script";
import { Cluster } from "../fixtures/cluster";
import { kill } from "../fixtures/machine";

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

function parameters(name: string, version = plan.version) {
  const nodes = cluster.nodes();
  const node = nodes.find((each) => each.name === name);
  if (!node) throw new Error(name);
  return { ...nodeParameters(node, { plan, nodes, clients: [client] }), VERSION: version };
}

const turn = (name: string, version?: string) =>
  cluster.script(name, `${room}/node.sh`, parameters(name, version));

/** All turns as the program has them, and the end of them; gives the last line. */
async function up(): Promise<string> {
  for (const { name } of cluster.nodes()) {
    const { code, stdout, stderr } = await turn(name);
    if (code !== 0) throw new Error(`${name}: ${stdout}${stderr}`);
  }
  const ready = await cluster.script("datanode1", `${room}/ready.sh`, parameters("datanode1"));
  if (ready.code !== 0) throw new Error(`ready: ${ready.stdout}${ready.stderr}`);
  return ready.stdout.trim();
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
      const refused = await turn("datanode1", "6.8.10");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("cannot go back to 6.8.10");
    },
    minutes(2),
  );
});
