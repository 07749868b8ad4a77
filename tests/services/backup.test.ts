import { afterAll, beforeAll, expect, it } from "vitest";
import { clientParameters } from "../../components/backup/client";
import { storeParameters } from "../../components/backup/store";
import { recipientCertificate } from "../../components/secrets/certificates";
import { ecdsaFromRandom, ed25519FromSeed, openSshEd25519, pkcs8Pem } from "../../components/secrets/keys";
import { Cluster } from "../fixtures/cluster";
import { ended, kill, type Machine, until } from "../fixtures/machine";

// A real sshd on the asset host, and nodes with services that are made up.

const room = "components/backup";
const pair = (byte: number) => openSshEd25519(Buffer.alloc(32, byte), "backup");
const names = ["datanode1", "datanode2", "datanode3"] as const;
const keys = { datanode1: pair(1), datanode2: pair(2), datanode3: pair(3) };
const opens = (byte: number) => pkcs8Pem(ecdsaFromRandom("P-256", Buffer.alloc(64, byte)));
const authority = { commonName: "authority", key: pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, 9))) };
const top = "/var/backups/wiab/example";
const minutes = 60_000;
let cluster: Cluster;
let store: Machine;
let node: Machine;
let hostKey: string;

const shell = (machine: Machine, commands: string) => ended(machine.spawn("-c", commands));
const succeeds = async (run: ReturnType<typeof shell>): Promise<string> => {
  const { code, stdout, stderr } = await run;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
};

const setUpStore = () => {
  // The third node's key comes from an address that is not its own.
  const nodes = names.map((name, at) => ({
    ...{ name, address: `192.168.122.${at === 2 ? 99 : 31 + at}`, publicKey: "" },
    services: at === 1 ? ["example", "other"] : ["example"],
  }));
  const publicKeys = names.map((name) => keys[name].publicKey);
  return succeeds(
    store.script(
      `${room}/store.sh`,
      storeParameters({ nodes, retention: { keep: 3, keepDays: 7 } }, publicKeys),
    ),
  );
};
const setUpNode = async (
  name: (typeof names)[number] = "datanode1",
  services = ["example"],
  privateKey = keys[name].privateKey,
  pinned = hostKey,
) =>
  cluster.machine(name).script(`${room}/client.sh`, {
    ...clientParameters(
      { node: name, services, schedule: "*-*-* 02:30:00" },
      { address: "192.168.122.10", hostKey: pinned },
    ),
    PRIVATE_KEY: privateKey,
    CERTIFICATE: await recipientCertificate(opens(1), "backups", authority),
  });
/** Restores with a private key on standard input. */
const restore = (machine: Machine, words: string, key = opens(1)) =>
  ended(machine.spawn("-c", `wiab-restore ${words}`), key);
/** A backup as versions before this one made them, of a node. */
const plain = (machine: string, name: string, text: string) =>
  store.run(
    `install -d -m 700 -o wiab-backup -g wiab-backup ${top}/${machine}; cd ${top}/${machine}; printf %s '${text}' >${name}; sha256sum ${name} | cut -c -64 | tr -d '\\n' >${name}.sha256; chown wiab-backup: ${name}*`,
  );
const list = async () => (await node.run("wiab-backup --list example")).split("\n").filter(Boolean);

beforeAll(async () => {
  cluster = await Cluster.start(names, false);
  store = cluster.assetHost;
  node = cluster.machine("datanode1");
  await store.run("mkdir -p /run/sshd; /usr/sbin/sshd");
  hostKey = (await setUpStore()).trim();
  expect(hostKey).toMatch(/^ssh-ed25519 \S+$/);
  for (const name of names) {
    await succeeds(setUpNode(name));
    const machine = cluster.machine(name);
    machine.write("/opt/wiab/example/backup", "#!/bin/sh\nexec cat /tmp/data\n", 0o755);
    machine.write("/opt/wiab/example/restore", "#!/bin/sh\ncat >/tmp/restored\n", 0o755);
  }
}, 15 * minutes);
afterAll(() => cluster?.stop());

it("keeps what a service gives, and gives it back", { timeout: 10 * minutes }, async () => {
  await node.run("head -c 3000000 /dev/urandom >/tmp/data");
  expect(await node.run("wiab-backup example")).toMatch(/^example is backed up as datanode1\/\d{8}T\d{6}Z$/);
  expect(await list()).toEqual([expect.stringMatching(/^datanode1\/\S+\t300\d{4}$/)]);
  expect((await succeeds(restore(node, "example"))).trim()).toMatch(/^example is restored from datanode1\//);
  await node.run("cmp /tmp/data /tmp/restored");
  expect(await store.run(`find ${top} ! -user wiab-backup; find ${top} -perm /077`)).toBe("");
  // Another node finds it under its name, and does not take it for its own.
  const second = cluster.machine("datanode2");
  const other = await restore(second, "example latest");
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(
    /datanode2 has made no backup of example; of other nodes there are: datanode1\//,
  );
  const [name] = (await list())[0]?.split("\t") ?? [];
  expect(await succeeds(restore(second, `example ${name}`))).toContain(`restored from ${name}`);
});

it("shows what people have written to nobody without the private key", {
  timeout: 10 * minutes,
}, async () => {
  node.write("/tmp/data", "what people write ".repeat(10_000));
  await node.run("wiab-backup example");
  expect((await shell(store, `grep -r people ${top}`)).code).toBe(1);
  await node.run("rm -f /tmp/restored");
  for (const [key, why] of [
    ["", /it is encrypted, and there is no private key on standard input/],
    [opens(2), /cannot be read: it was sealed for another key, or has been altered/],
  ] as const) {
    const { code, stderr } = await restore(node, "example", key);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(why) });
    expect(stderr).not.toContain("BEGIN");
  }
  expect((await shell(node, "test -e /tmp/restored")).code).toBe(1);
  // Nor does the node keep anything that would open it.
  expect((await shell(node, "grep -rl 'BEGIN PRIVATE KEY' /etc/wiab /opt/wiab /root /var/tmp")).code).toBe(1);
});

it("still restores what earlier versions have kept, on the node that it is of", {
  timeout: 10 * minutes,
}, async () => {
  await plain("datanode1", "20200101T000000Z", "of old times");
  expect(await node.run("wiab-restore example 20200101T000000Z </dev/null")).toContain("is restored");
  expect(node.read("/tmp/restored")).toBe("of old times");
  await plain("datanode2", "20200101T000000Z", "of another node");
  const { code, stderr } = await shell(node, "wiab-restore example datanode2/20200101T000000Z");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining("is not encrypted, and datanode1 is another node"),
  });
  await store.run(`rm ${top}/*/20200101T*`);
});

it("changes nothing when it is set up again", { timeout: 10 * minutes }, async () => {
  const files =
    "find /etc/wiab /etc/systemd/system /opt/wiab /usr/local/sbin /var/lib/wiab-backup -newer /tmp/before 2>/dev/null";
  for (const machine of [store, node]) await machine.run("touch /tmp/before");
  await setUpStore();
  await succeeds(setUpNode());
  for (const machine of [store, node]) expect(await machine.run(`${files} || true`)).toBe("");
});

it("keeps what is young and the newest, whatever a node brings", { timeout: 10 * minutes }, async () => {
  for (const year of [2018, 2019, 2020, 2021]) await plain("datanode1", `${year}0101T000000Z`, "old");
  const made = [];
  for (const data of ["a", "b", "c", "d"]) {
    await node.run(`echo ${data} >/tmp/data`);
    made.push((await node.run("wiab-backup example")).replace(/.* as /, ""));
  }
  const kept = (await list()).map((line) => line.split("\t")[0]);
  expect(kept).toEqual(expect.arrayContaining(made));
  expect(kept.filter((name) => name?.includes("/20") && name < "datanode1/2022")).toEqual([]);
});

it("never counts a stream that broke off, whoever broke it", { timeout: 10 * minutes }, async () => {
  const before = await list();
  const backup = "/opt/wiab/example/backup";
  // The service fails in the middle.
  node.write(backup, "#!/bin/sh\nhead -c 40000000 /dev/zero; exit 7\n", 0o755);
  const broken = await shell(node, "wiab-backup example");
  expect(broken).toMatchObject({ code: 1, stdout: "" });
  expect(broken.stderr).toContain("example has broken off its backup and ended with 7");
  // The node is killed in the middle.
  node.write(backup, "#!/bin/sh\nhead -c 40000000 /dev/zero; exec tail -f /dev/null\n", 0o755);
  const child = node.spawn("-c", "wiab-backup example");
  await until(
    "half of it is there",
    async () =>
      (await shell(store, `[ "$(stat --format %s ${top}/datanode1/.incoming-* || echo 0)" -gt 100000 ]`))
        .code === 0,
  );
  await kill(child);
  await until(
    "the asset host has let go of it",
    async () => (await shell(store, `ls ${top}/datanode1/.incoming-*`)).code !== 0,
  );
  // Nothing is written at all, or it is another node's turn.
  node.write(backup, "#!/bin/sh\nexit 0\n", 0o755);
  expect((await shell(node, "wiab-backup example")).stderr).toContain(
    "has written no backup and ended with 0",
  );
  node.write(backup, "#!/bin/sh\nexit 3\n", 0o755);
  expect(await node.run("wiab-backup example")).toBe("another node is the one to back up example");
  expect(await list()).toEqual(before);
  node.write(backup, "#!/bin/sh\nexec cat /tmp/data\n", 0o755);
});

it("says that the asset host is full, and leaves nothing there", { timeout: 10 * minutes }, async () => {
  const before = await list();
  await store.run(`mount -t tmpfs -o size=1m,mode=700,uid=$(id -u wiab-backup) tmpfs ${top}/datanode1`);
  await node.run("head -c 3000000 /dev/zero >/tmp/data");
  const full = await shell(node, "wiab-backup example");
  expect(full.code).toBe(1);
  expect(full.stderr).toContain("less than 1024 MiB of its disk are left");
  expect(await store.run(`ls -A ${top}/datanode1; umount ${top}/datanode1`)).toBe("");
  expect(await list()).toEqual(before);
});

it("gives back nothing that has been altered", { timeout: 10 * minutes }, async () => {
  const [last] = (await list()).slice(-1).map((line) => line.split("\t")[0]) as [string];
  await store.run(`echo x >>${top}/${last}`);
  await node.run("rm -f /tmp/restored");
  const { code, stderr } = await restore(node, `example ${last}`);
  expect({ code }).toEqual({ code: 1 });
  expect((await shell(node, "test -e /tmp/restored")).code).toBe(1);
  expect(stderr).toContain("has been altered: its checksum is another one");
  expect((await shell(node, "wiab-restore example 20000101T000000Z")).stderr).toContain(
    "there is no backup 20000101T000000Z",
  );
});

it("opens nothing else, and nothing to others", { timeout: 10 * minutes }, async () => {
  const options =
    "-F none -o UserKnownHostsFile=/etc/wiab/backup/known_hosts -o BatchMode=yes -i /etc/wiab/backup/key";
  const ssh = (words: string) => shell(node, `ssh ${options} wiab-backup@192.168.122.10 ${words} </dev/null`);
  expect((await ssh("cat /etc/passwd")).stderr).toContain(
    "opens put, list and get of backups, and nothing else",
  );
  expect((await ssh("")).code).toBe(1);
  for (const words of [
    "put ../../etc",
    "put example datanode2",
    "put other",
    "list ..",
    "list other",
    "list",
    "get other datanode2 20200101T000000Z",
    "get example ../other/datanode2 20200101T000000Z",
    "get example datanode1 .x.sha256",
  ])
    expect(await ssh(`'${words}'`), words).toMatchObject({ code: 1, stdout: "" });
  expect((await ssh("-L 9:127.0.0.1:22 -N -o ExitOnForwardFailure=yes -W 127.0.0.1:22")).code).not.toBe(0);
  // From an address that is not one of the clients'.
  expect((await shell(cluster.machine("datanode3"), "wiab-backup --list example")).stderr).toContain(
    "Permission denied",
  );
  await succeeds(setUpNode("datanode2", ["example"], pair(7).privateKey));
  expect((await shell(cluster.machine("datanode2"), "wiab-backup --list example")).stderr).toContain(
    "Permission denied",
  );
  // An asset host that is not the one that was pinned.
  await succeeds(
    setUpNode(
      "datanode2",
      ["example"],
      keys.datanode2.privateKey,
      pair(8).publicKey.split(" ").slice(0, 2).join(" "),
    ),
  );
  expect((await shell(cluster.machine("datanode2"), "wiab-backup --list example")).stderr).toMatch(
    /host key|Host key/,
  );
  expect(await node.run("stat --format '%a %U' /etc/wiab/backup/key")).toBe("600 root");
});

it("has a timer for each service, whose failure shows, and none for others", {
  timeout: minutes,
}, async () => {
  await succeeds(setUpNode("datanode1", ["example", "etcd"]));
  expect(await node.run("systemctl is-enabled wiab-backup-example.timer wiab-backup-etcd.timer")).toBe(
    "enabled\nenabled",
  );
  expect((await shell(node, "systemctl start wiab-backup-etcd.service")).code).not.toBe(0);
  expect(await node.run("journalctl --unit wiab-backup-etcd.service")).toContain("has no service etcd");
  await succeeds(setUpNode());
  expect((await shell(node, "systemctl is-enabled wiab-backup-etcd.timer")).code).not.toBe(0);
});
