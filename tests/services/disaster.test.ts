import { afterAll, beforeAll, expect, it } from "vitest";
import { seal } from "../../cli/state-copy";
import { keepAmongBackups } from "../../cli/state-elsewhere";
import { installationParameters } from "../../components/artifact/installation/installation";
import { clientParameters } from "../../components/backup/client";
import { offHostParameters } from "../../components/backup/offhost";
import { storeParameters } from "../../components/backup/store";
import {
  nodeParameters,
  readyParameters,
  type Settings,
  secretParameters,
} from "../../components/data-services/postgresql/configuration";
import { planPostgresql } from "../../components/data-services/postgresql/plan";
import { shellQuote } from "../../components/machine/script";
import { recipientCertificate } from "../../components/secrets/certificates";
import { ecdsaFromRandom, ed25519FromSeed, openSshEd25519, pkcs8Pem } from "../../components/secrets/keys";
import type { Ended } from "../acceptance/verify/namespace";
import { Cluster } from "../fixtures/cluster";
import { ended, Machine } from "../fixtures/machine";

// The host is gone with all that was on it. A new one comes from the configuration, with other keys and passwords, and
// gets back what a real PostgreSQL held from a server that is elsewhere.

const minutes = 60_000;
const elsewhere = "192.168.122.99";
const room = "components/backup";
const postgresql = "components/data-services/postgresql";
const psql = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 wire-server";

let server: Machine;
let serverKey: string;
let cluster: Cluster;

const succeeds = async (run: Promise<Ended>): Promise<string> => {
  const { code, stdout, stderr } = await run;
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim();
};

/** All secrets of a stack's that count here; another number, another stack. */
const secretsOf = (stack: number) => {
  const seed = (what: number) => Buffer.alloc(32, 10 * stack + what);
  const opens = pkcs8Pem(ecdsaFromRandom("P-256", Buffer.alloc(64, stack)));
  return {
    node: openSshEd25519(seed(1), "backup-datanode1"),
    offHost: openSshEd25519(seed(2), "wiab-backups"),
    opens,
    certificate: () =>
      recipientCertificate(opens, "backups", {
        commonName: "authority",
        key: pkcs8Pem(ed25519FromSeed(seed(3))),
      }),
    postgresql: secretParameters({
      repmgr: `repmgr${stack}`,
      wireServer: `wire${stack}`,
      key: "",
      certificate: "",
    }),
    password: `wire${stack}`,
  };
};

/** What the program does with a host, an asset host and a data node that are not there yet. */
async function deploy(secrets: ReturnType<typeof secretsOf>): Promise<void> {
  cluster = await Cluster.start(["datanode1"]);
  cluster.join(server.network, elsewhere);
  // Whoever has the server lets the stack's key in (output offHostPublicKey).
  server.write("/home/keeper/.ssh/authorized_keys", `restrict ${secrets.offHost.publicKey}\n`);
  const store = cluster.assetHost;
  store.write("/usr/bin/systemctl", "#!/bin/sh\nexit 0\n", 0o755);
  await store.run("mkdir -p /run/sshd; /usr/sbin/sshd");
  const node = {
    name: "datanode1",
    address: cluster.addressOf("datanode1"),
    services: ["postgresql"],
    publicKey: "",
  };
  const hostKey = await succeeds(
    store.script(
      `${room}/store.sh`,
      storeParameters({ nodes: [node], retention: { keep: 7, keepDays: 7 } }, [secrets.node.publicKey]),
    ),
  );
  const place = {
    address: elsewhere,
    port: 22,
    user: "keeper",
    directory: "wiab-backups",
    hostKey: serverKey,
  };
  await succeeds(
    store.script(`${room}/offhost.sh`, {
      ...offHostParameters(place),
      PRIVATE_KEY: secrets.offHost.privateKey,
    }),
  );
  const settings: Settings = {
    ...{ plan: planPostgresql(cluster.artifact), nodes: cluster.nodes(), clients: [] },
    ...{ tls: false, maxConnections: 50 },
  };
  const [first] = settings.nodes;
  if (!first) throw new Error("no nodes");
  for (const [file, parameters] of [
    [`${postgresql}/prepare.sh`, {}],
    [
      "components/artifact/installation/install.sh",
      installationParameters(settings.plan.installation, cluster.assets),
    ],
    [`${postgresql}/node.sh`, { ...nodeParameters(first, settings), ...secrets.postgresql }],
    [
      `${postgresql}/ready.sh`,
      {
        ...readyParameters(first, settings),
        PASSWORD: secrets.password,
        CLUSTER: JSON.stringify(settings.nodes),
      },
    ],
  ] as const)
    await succeeds(cluster.script("datanode1", file, parameters));
  await succeeds(
    cluster.machine("datanode1").script(`${room}/client.sh`, {
      ...clientParameters(
        { node: "datanode1", services: ["postgresql"], schedule: "daily" },
        { address: "192.168.122.10", hostKey },
      ),
      PRIVATE_KEY: secrets.node.privateKey,
      CERTIFICATE: await secrets.certificate(),
    }),
  );
}

beforeAll(async () => {
  server = await Machine.start("elsewhere");
  await server.run(
    "useradd --create-home --password '*' keeper; install -d -o keeper /home/keeper/.ssh; mkdir -p /run/sshd; ssh-keygen -A >/dev/null; /usr/sbin/sshd",
  );
  serverKey = (await server.run("cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub")).trim();
}, 10 * minutes);
afterAll(async () => {
  await cluster?.stop();
  await server?.stop();
});

it("gives a new host back what the former one has brought elsewhere", { timeout: 20 * minutes }, async () => {
  const [former, present] = [secretsOf(1), secretsOf(2)];
  await deploy(former);
  const written = "create table letters as select n, md5(n::text) as text from generate_series(1, 20000) n";
  await cluster.machine("datanode1").run(`cd /; ${psql} -c "${written}"`);
  const sum = `cd /; ${psql} -c "select count(*), md5(string_agg(n || text, ',' order by n)) from letters"`;
  const before = await cluster.machine("datanode1").run(sum);
  expect(before).toMatch(/^20000\|/);
  const made = await cluster.machine("datanode1").run("wiab-backup postgresql");
  const [, name] = /^postgresql is backed up as (datanode1\/\S+)$/.exec(made) ?? [];
  // As `npm run pulumi -- up` does, with the copy of the state; machines have no sudo and no timeout to wait for.
  const kept = seal({ stack: "staging", state: "{}", configuration: "" }, "passphrase");
  const assetHost = {
    root: async (command: readonly string[], input = "") => {
      const words = command.map((word) => shellQuote(word)).join(" ");
      return succeeds(ended(cluster.assetHost.spawn("-c", words), input));
    },
  };
  const state = await keepAmongBackups(assetHost, kept);
  // One of an earlier version, which everybody could read, stays where it is.
  await cluster.assetHost.run(
    "cd /var/backups/wiab/postgresql/datanode1; echo plain >20200101T000000Z; sha256sum 20200101T000000Z | cut -c -64 | tr -d '\\n' >20200101T000000Z.sha256",
  );
  await cluster.assetHost.run("wiab-offhost push");
  expect(await cluster.assetHost.run("wiab-offhost push")).toBe("");
  expect(await cluster.assetHost.run("wiab-offhost list")).toBe(
    `postgresql ${name?.replace("/", " ")}\nstate host ${state}`,
  );
  expect((await ended(server.spawn("-c", "grep -rl letters /home/keeper/wiab-backups"))).code).toBe(1);

  // Everything on the host.
  await cluster.stop();
  await deploy(present);
  expect(await cluster.assetHost.run("wiab-offhost fetch")).toBe(
    `brought back postgresql ${name?.replace("/", " ")}\nbrought back state host ${state}`,
  );
  expect(cluster.assetHost.read(`/var/backups/wiab/state/host/${state}`)).toBe(kept);
  const restore = (key: string) =>
    ended(cluster.machine("datanode1").spawn("-c", `wiab-restore postgresql ${name}`), key);
  expect((await restore(present.opens)).stderr).toContain("was sealed for another key");
  await succeeds(restore(former.opens));
  expect(await cluster.machine("datanode1").run(sum)).toBe(before);
});

it("says what is wrong with the server, and takes nothing that is not what was brought", {
  timeout: 5 * minutes,
}, async () => {
  const offHost = (words: string) => ended(cluster.assetHost.spawn("-c", `wiab-offhost ${words}`));
  await server.run("cd /home/keeper/wiab-backups/postgresql/datanode1; echo x >>$(ls | grep -v sha256)");
  await cluster.assetHost.run("rm -r /var/backups/wiab/postgresql");
  const altered = await offHost("fetch postgresql");
  expect({ ...altered, stdout: "" }).toEqual({
    ...{ code: 1, stdout: "" },
    stderr: expect.stringContaining("is not what was brought there: its checksum is another one"),
  });
  expect(await cluster.assetHost.run("find /var/backups/wiab/postgresql -name '2*'")).toBe("");
  server.write("/home/keeper/.ssh/authorized_keys", "");
  expect(await offHost("push")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Permission denied"),
  });
});
