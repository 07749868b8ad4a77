import type { ChildProcess } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { installationParameters } from "../../components/artifact/installation/installation";
import type { Node } from "../../components/data-services/node";
import {
  nodeParameters,
  renderDefinitions,
  renderSettings,
} from "../../components/data-services/rabbitmq/configuration";
import { planRabbitMq } from "../../components/data-services/rabbitmq/plan";
import { loadServiceScript } from "../../components/data-services/rolling";
import { renderInput } from "../../components/machine/script";
import { authorityCertificate, serverCertificate } from "../../components/secrets/certificates";
import { ed25519FromSeed, pkcs8Pem } from "../../components/secrets/keys";
import type { Ended } from "../acceptance/verify/namespace";
import { Cluster } from "../fixtures/cluster";
import { ended, kill, until as untilSoon } from "../fixtures/machine";

// Real brokers on three machines, run by the same scripts in the same order as by the engine.

const room = "components/data-services/rabbitmq";
const user = { name: "wire-server", password: "a-password-that-nobody-may-see-1" };
const erlangCookie = "A-COOKIE-THAT-NOBODY-MAY-SEE-1";
const minutes = 60_000;
let cluster: Cluster;
let version: string;

interface Change {
  readonly nodes?: readonly Node[];
  readonly identity?: { readonly privateKey: string; readonly certificate: string };
  readonly override?: Readonly<Record<string, string>>;
}

function parametersOf(
  name: string,
  { nodes = cluster.nodes(), identity, override }: Change = {},
): Readonly<Record<string, string>> {
  const node = nodes.find((each) => each.name === name) as Node;
  const tls = identity !== undefined;
  const plan = planRabbitMq(cluster.artifact);
  return {
    ...nodeParameters(node, { nodes, clients: ["192.168.122.21"], plan, tls }),
    COOKIE: erlangCookie,
    DEFINITIONS: renderDefinitions(user),
    SETTINGS: renderSettings(node, nodes, user, tls),
    PRIVATE_KEY: identity?.privateKey ?? "",
    CERTIFICATE: identity?.certificate ?? "",
    ...override,
  };
}

const turn = (name: string, change?: Change): Promise<Ended> =>
  cluster.script(name, `${room}/node.sh`, parametersOf(name, change));

const ready = (name = "datanode1", nodes = cluster.nodes()): Promise<Ended> =>
  cluster.script(name, `${room}/ready.sh`, {
    NODE: name,
    VERSION: version,
    MEMBERS: nodes.map((node) => node.name).join(" "),
    DEFINITIONS: renderDefinitions(user),
  });

const succeeds = async (run: Promise<Ended>): Promise<string> => {
  const { code, stdout, stderr } = await run;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
};

const health = (name: string): Promise<Ended> =>
  ended(cluster.machine(name).spawn("-c", "/opt/wiab/rabbitmq/health"));

const install = (name: string): Promise<string> => {
  const { installation } = planRabbitMq(cluster.artifact);
  const script = "components/artifact/installation/install.sh";
  return succeeds(cluster.script(name, script, installationParameters(installation, cluster.assets)));
};

/** Waits for something that takes brokers half a minute, and much longer where machines are busy. */
const until = (what: string, holds: () => boolean | Promise<boolean>) => untilSoon(what, holds, 300);

/** Process and start of the broker on a machine. */
const lifeOf = (name: string) =>
  cluster.machine(name).run("pid=$(pgrep -x beam.smp); echo $pid; stat --format %Y /proc/$pid");

/** Publishes with confirmation to a quorum queue, as Wire's services do, and to a classic one, at whatever broker. */
const writing = `
import itertools, os, sys
sys.path.insert(0, "/opt/wiab/rabbitmq")
from amqp import Channel
from brokers import NODES, SETTINGS
queues = {"test-quorum": {"x-queue-type": "quorum"}, "test-classic": {}}
places, channel, number = itertools.cycle(NODES.values()), None, 0
while not os.path.exists("/tmp/enough"):
    try:
        if channel is None:
            channel = Channel(next(places), SETTINGS["amqp"], SETTINGS["name"], SETTINGS["password"], seconds=4)
            for queue, arguments in queues.items():
                channel.declare(queue, arguments)
        for queue in queues:
            channel.publish(queue, b"%d" % number)
        number += 1
        open("/tmp/acknowledged", "w").write(str(number))
    except Exception:
        channel = None
print(number)
`;
const reading = `
import sys
sys.path.insert(0, "/opt/wiab/rabbitmq")
from amqp import Channel, short, table
from brokers import NODES, SELF, SETTINGS
channel = Channel(NODES[SELF], SETTINGS["amqp"], SETTINGS["name"], SETTINGS["password"])
for queue in ("test-quorum", "test-classic"):
    missing = set(range(int(sys.argv[1])))
    # Consumed without acknowledgements: to get them one by one takes longer than to write them.
    channel.call(1, 60, 20, b"\\0\\0" + short(queue) + short(queue) + b"\\x02" + table({}))
    channel.expect(60, 21)
    try:
        while missing:
            channel.expect(60, 60)
            channel.receive()
            missing.discard(int(channel.receive()[1]))
    except TimeoutError:
        pass
    print(queue, len(missing), "lost")
    channel = Channel(NODES[SELF], SETTINGS["amqp"], SETTINGS["name"], SETTINGS["password"])
    # What was written and not acknowledged is not to be taken for what is written next.
    channel.call(1, 50, 30, b"\\0\\0" + short(queue) + b"\\0")
    channel.expect(50, 31)
channel.close()
`;

/** Has a writer work on datanode3 while something happens; everything that was acknowledged is there afterwards. */
async function whileWriting(happens: (acknowledged: () => number) => Promise<void>): Promise<void> {
  const machine = cluster.machine("datanode3");
  await machine.run("rm -f /tmp/enough; echo 0 >/tmp/acknowledged");
  machine.write("/tmp/writing.py", writing);
  machine.write("/tmp/reading.py", reading);
  const writer: ChildProcess = machine.spawn("-c", "python3 /tmp/writing.py");
  const output = ended(writer);
  const acknowledged = () => Number(machine.read("/tmp/acknowledged") || "0");
  try {
    await until("something is acknowledged", () => acknowledged() > 5);
    await happens(acknowledged);
    const soFar = acknowledged();
    await until("writing goes on", () => acknowledged() > soFar + 5);
  } finally {
    await machine.run("touch /tmp/enough");
  }
  const { code, stdout, stderr } = await output;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(await machine.run(`python3 /tmp/reading.py ${stdout.trim()}`)).toBe(
    "test-quorum 0 lost\ntest-classic 0 lost",
  );
}

beforeAll(async () => {
  cluster = await Cluster.start(["datanode1", "datanode2", "datanode3"]);
  version = planRabbitMq(cluster.artifact).version;
  await Promise.all(cluster.nodes().map(({ name }) => install(name)));
}, 15 * minutes);
afterAll(() => cluster?.stop());

it("founds no cluster while another node does not answer, and names it", {
  timeout: 15 * minutes,
}, async () => {
  cluster.plug("datanode2", "out");
  const { code, stderr } = await turn("datanode1", { override: { PATIENCE: "1" } });
  cluster.plug("datanode2", "in");
  expect(code).toBe(1);
  expect(stderr).toContain("datanode2 does not answer at all");
});

it("founds one only on the founder", { timeout: 15 * minutes }, async () => {
  const { code, stderr } = await turn("datanode2");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: "error: there is no cluster that datanode2 could join: datanode1 is to found it\n",
  });
});

it("founds a cluster, also if a run is killed while it does", { timeout: 15 * minutes }, async () => {
  await succeeds(turn("datanode1"));
  const joining = cluster.machine("datanode2").spawn("-s", "--", "apply");
  const script = loadServiceScript(room, "node.sh");
  joining.stdin?.end(renderInput(script, parametersOf("datanode2")));
  // The broker has begun, and nobody has looked yet whether it has become a member.
  await until(
    "the broker on datanode2 begins",
    async () => (await ended(cluster.machine("datanode2").spawn("-c", "pgrep -x beam.smp"))).code === 0,
  );
  await kill(joining);
  await succeeds(turn("datanode2"));
  await succeeds(turn("datanode3"));
  expect(await succeeds(ready())).toContain(
    "3 of 3 brokers run in every view, no partitions, no alarms; message",
  );
});

it("changes and restarts nothing when all of it runs again", { timeout: 15 * minutes }, async () => {
  const nodes = cluster.nodes().map(({ name }) => name);
  const files = "find /etc /opt/wiab /var/lib/rabbitmq/.erlang.cookie -newer /tmp/before -type f";
  const before = [];
  for (const name of nodes) {
    await cluster.machine(name).run("touch /tmp/before");
    before.push(await lifeOf(name));
  }
  for (const name of nodes) await succeeds(turn(name));
  expect(await succeeds(ready())).not.toContain("put in order");
  for (const [index, name] of nodes.entries()) {
    expect(await lifeOf(name)).toBe(before[index]);
    expect(await cluster.machine(name).run(files), name).not.toMatch(/rabbit|wiab/);
  }
});

it("shows secrets to nobody, and itself to nobody but nodes and clients", {
  timeout: 15 * minutes,
}, async () => {
  const machine = cluster.machine("datanode1");
  const shown = await machine.run("(cat /proc/[0-9]*/{cmdline,environ} 2>/dev/null || true) | tr '\\0' ' '");
  expect(shown).toContain("beam.smp");
  for (const secret of [user.password, erlangCookie]) {
    expect(shown).not.toContain(secret);
    const readers = `runuser -u nobody -- grep -rslF '${secret}' /etc /opt /var /run || true`;
    expect(await machine.run(readers)).toBe("");
  }
  expect(await machine.run("stat --format '%a %U' /var/lib/rabbitmq/.erlang.cookie")).toBe("400 rabbitmq");
  const listening = machine.network.run("ss", "-Hltn").split("\n");
  const open = listening.map((line) => line.split(/\s+/)[3] ?? "").filter((at) => /:(4369|.?5672)$/.test(at));
  expect(open.filter((at) => !/^(127\.0\.0\.1|\[::1\]):/.test(at)).sort()).toEqual([
    "192.168.122.31:15672",
    "192.168.122.31:25672",
    "192.168.122.31:4369",
    "192.168.122.31:5672",
  ]);
  for (const port of [4369, 5672, 15672, 25672]) {
    const knock = `true </dev/tcp/192.168.122.31/${port}`;
    expect((await ended(cluster.machine("datanode2").spawn("-c", knock))).code, `${port}`).toBe(0);
    expect((await ended(cluster.assetHost.spawn("-c", knock))).code, `${port}`).toBe(1);
  }
});

it("puts back what has been changed by hand", { timeout: 15 * minutes }, async () => {
  await cluster
    .machine("datanode2")
    .run(
      "rabbitmqctl -q add_user guest guest; rabbitmqctl -q clear_policy ha-exactly-two; rabbitmqctl -q change_password wire-server other",
    );
  const said = await succeeds(ready());
  expect(said).toContain(
    "put in order: users wire-server, policies / ha-exactly-two\nremoved the user guest",
  );
  expect(await cluster.machine("datanode1").run("rabbitmqctl -q list_users")).not.toContain("guest");
});

it("names what is wrong", { timeout: 15 * minutes }, async () => {
  const machine = cluster.machine("datanode2");
  await machine.run("rabbitmqctl -q set_vm_memory_high_watermark 0.00001");
  await until("the alarm is raised", async () =>
    (await health("datanode1")).stderr.includes("too little memory on rabbit@datanode2"),
  );
  await machine.run(
    "rabbitmqctl -q set_vm_memory_high_watermark absolute 256MiB; systemctl stop rabbitmq-server",
  );
  const { code, stdout, stderr } = await health("datanode1");
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("the broker on datanode2 does not answer at 192.168.122.32:15672");
  // Without it, no other may be restarted.
  const change = {
    override: { CONFIGURATION: `${parametersOf("datanode1").CONFIGURATION}heartbeat = 50\n`, PATIENCE: "1" },
  };
  const refused = await turn("datanode1", change);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("datanode2 does not run: datanode1 is needed");
  await succeeds(turn("datanode2"));
});

it("refuses versions that one step does not lead to", { timeout: 15 * minutes }, async () => {
  const refusal = async (override: Readonly<Record<string, string>>) =>
    (await turn("datanode1", { override })).stderr;
  expect(await refusal({ VERSION: "3.9.27-1", UPGRADES_FROM: "3.8" })).toContain(
    "the older 3.9.27-1 cannot read",
  );
  expect(await refusal({ VERSION: "3.12.1-1", UPGRADES_FROM: "3.11" })).toContain(
    "in one step: only 3.11 can",
  );
  expect(await refusal({ COOKIE: "ANOTHER" })).toContain("the Erlang cookie has changed");
});

it("restarts one after another for a new setting; no acknowledged message is lost", {
  timeout: 15 * minutes,
}, async () => {
  const nodes = cluster.nodes(3);
  const lives = await Promise.all(nodes.map(({ name }) => lifeOf(name)));
  await whileWriting(async () => {
    for (const { name } of nodes) await succeeds(turn(name, { nodes }));
  });
  for (const [index, { name }] of nodes.entries()) expect(await lifeOf(name)).not.toBe(lives[index]);
  expect(await succeeds(ready())).toContain("3 of 3");
});

it("outlives a killed broker, and a node without network", { timeout: 15 * minutes }, async () => {
  const goesOn = async (acknowledged: () => number) => {
    const then = acknowledged();
    await until("writing goes on", () => acknowledged() > then + 5);
  };
  await whileWriting(async (acknowledged) => {
    await cluster.machine("datanode1").run("pkill -9 -x beam.smp");
    await goesOn(acknowledged);
    await succeeds(ready());
    cluster.plug("datanode2", "out");
    try {
      const knock = "true </dev/tcp/192.168.122.32/5672";
      const machine = cluster.machine("datanode2");
      await until(
        "the broker without the others stops serving",
        async () => (await ended(machine.spawn("-c", knock))).code !== 0,
      );
      await goesOn(acknowledged);
    } finally {
      cluster.plug("datanode2", "in");
    }
    expect(await succeeds(ready())).toContain("3 of 3");
  });
});

it("takes back a broker whose machine stood still while the others went on", {
  timeout: 15 * minutes,
}, async () => {
  const asleep = cluster.machine("datanode2");
  await whileWriting(async () => {
    await asleep.run("pkill -STOP -x beam.smp");
    cluster.plug("datanode2", "out");
    try {
      await until("the others to miss it", async () =>
        (await cluster.machine("datanode1").run("rabbitmqctl -q cluster_status --formatter json")).includes(
          '"running_nodes":["rabbit@datanode1","rabbit@datanode3"]',
        ),
      );
    } finally {
      cluster.plug("datanode2", "in");
      await asleep.run("pkill -CONT -x beam.smp");
    }
    await until("it stays cut off", async () =>
      (await health("datanode1")).stderr.includes("datanode2 starts its broker anew"),
    );
    // What the timer does on every node each minute.
    for (const { name } of cluster.nodes())
      await cluster.machine(name).run("systemctl start wiab-rabbitmq-care.service");
    expect(await succeeds(ready())).toContain("3 of 3");
  });
});

it("takes back the founder, rebuilt without its data, and its share of every queue", {
  timeout: 15 * minutes,
}, async () => {
  await whileWriting(async () => {
    await cluster.destroy("datanode1");
    await cluster.add("datanode1");
    await install("datanode1");
    await succeeds(turn("datanode1"));
  });
  expect(await succeeds(ready())).toContain("3 of 3");
  const members = await cluster.machine("datanode2").run("rabbitmqctl -q list_queues name members");
  expect(members).toMatch(/^test-quorum\t\[(?=.*datanode1)(?=.*datanode2)(?=.*datanode3)/m);
});

it("is backed up by one node, and gets back what was deleted", { timeout: 15 * minutes }, async () => {
  const machine = cluster.machine("datanode1");
  await machine.run("/opt/wiab/rabbitmq/backup >/tmp/backup");
  expect(await ended(cluster.machine("datanode2").spawn("-c", "/opt/wiab/rabbitmq/backup"))).toEqual({
    code: 3,
    stdout: "",
    stderr: "",
  });
  await machine.run("rabbitmqctl -q delete_queue test-quorum; rabbitmqctl -q delete_user wire-server");
  const restored = await ended(machine.spawn("-c", "/opt/wiab/rabbitmq/restore </tmp/backup"));
  expect(restored).toMatchObject({ code: 0 });
  expect(restored.stderr).toMatch(
    /^replacing in the running cluster.*1 users, 1 permissions, 1 policies, 2 queues/,
  );
  expect(await machine.run("rabbitmqctl -q list_queues name type")).toContain("test-quorum\tquorum");
  const other = await ended(machine.spawn("-c", "echo '{}' | /opt/wiab/rabbitmq/restore"));
  expect(other).toMatchObject({ code: 1, stderr: "this is no backup of RabbitMQ\n" });
});

it("comes up again when every broker was down, whatever the order", {
  timeout: 15 * minutes,
}, async () => {
  for (const { name } of cluster.nodes()) await cluster.machine(name).run("systemctl stop rabbitmq-server");
  // The last that was stopped is the one that the others wait for.
  expect(await succeeds(turn("datanode1"))).toContain("waits for the others");
  await succeeds(turn("datanode2"));
  await succeeds(turn("datanode3"));
  expect(await succeeds(ready())).toContain("3 of 3");
});

it("lets a node join and leave; what only it had the others have then", {
  timeout: 15 * minutes,
}, async () => {
  await whileWriting(async () => {
    await cluster.add("datanode4");
    await install("datanode4");
    for (const { name } of cluster.nodes()) await succeeds(turn(name));
    expect(await succeeds(ready())).toContain("4 of 4");
    const nodes = cluster.nodes().map((node) => ({ ...node, retiring: node.name === "datanode4" }));
    for (const { name } of nodes) await succeeds(turn(name, { nodes }));
    expect(await succeeds(ready("datanode1"))).toContain("3 of 3");
    expect(await cluster.machine("datanode1").run("rabbitmqctl -q list_queues name members")).not.toContain(
      "datanode4",
    );
    expect(await succeeds(turn("datanode4", { nodes }))).toContain("RabbitMQ has left datanode4");
    await cluster.destroy("datanode4");
    for (const { name } of cluster.nodes()) await succeeds(turn(name));
  });
  const only = cluster
    .nodes()
    .slice(0, 1)
    .map((node) => ({ ...node, retiring: true }));
  const refused = await turn("datanode1", { nodes: only, override: { STAYING: "none", FOUNDER: "none" } });
  expect(refused.stderr).toContain("datanode1 cannot leave: no other broker answers");
});

it("is a cluster of one with TLS as well", { timeout: 15 * minutes }, async () => {
  const machine = await cluster.add("datanode9");
  await install("datanode9");
  const nodes = cluster.nodes().filter(({ name }) => name === "datanode9");
  const [address] = nodes.map((node) => node.address) as [string];
  const key = (byte: number) => pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, byte)));
  const signer = { commonName: "Test", key: key(1) };
  machine.write("/etc/wiab/ca.crt", await authorityCertificate(signer.key, signer.commonName));
  const names = { commonName: "datanode9", dnsNames: ["datanode9"], addresses: [address] };
  const identity = { privateKey: key(2), certificate: await serverCertificate(key(2), names, signer) };
  await succeeds(turn("datanode9", { nodes, identity }));
  expect(await succeeds(ready("datanode9", nodes))).toMatch(
    /1 of 1 .* published on datanode9 consumed on datanode9/,
  );
  const plain = `true </dev/tcp/${address}/5672`;
  expect((await ended(machine.spawn("-c", plain))).code).toBe(1);
  // Switched off, and on again.
  await succeeds(turn("datanode9", { nodes }));
  expect(await health("datanode9")).toMatchObject({ code: 0, stderr: "" });
});
