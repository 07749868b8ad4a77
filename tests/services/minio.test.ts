import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installationParameters } from "../../components/artifact/installation/installation";
import { type Identity, nodeParameters } from "../../components/data-services/minio/configuration";
import { type MinioPlan, planMinio } from "../../components/data-services/minio/plan";
import { loadServiceScript } from "../../components/data-services/rolling";
import { renderInput } from "../../components/machine/script";
import { authorityCertificate, serverCertificate } from "../../components/secrets/certificates";
import { Cluster } from "../fixtures/cluster";
import { ended, kill, until } from "../fixtures/machine";

const room = "components/data-services/minio";
const client = "192.168.122.10";
const minutes = (count: number) => count * 60_000;
const keys = {
  root: { accessKey: "rootAccessKey0000001", secretKey: "rootSecretKey0000000000000000000000000000" },
  cargohold: { accessKey: "cargoAccessKey000001", secretKey: "cargoSecretKey0000000000000001" },
};
const secrets = Object.values(keys).flatMap(({ accessKey, secretKey }) => [accessKey, secretKey]);

interface Change {
  readonly memoryGiB?: number;
  readonly retiring?: string;
  readonly version?: string;
  readonly root?: (typeof keys)["root"];
  readonly cargohold?: (typeof keys)["root"];
  readonly identities?: ReadonlyMap<string, Identity>;
}

/** What is like MinIO's deployment in production, on machines of this computer. */
class Store {
  private constructor(
    readonly cluster: Cluster,
    readonly plan: MinioPlan,
  ) {}

  static async start(names: readonly string[]): Promise<Store> {
    const cluster = await Cluster.start(names);
    const store = new Store(cluster, planMinio(cluster.artifact));
    await Promise.all(names.map((name) => store.prepare(name)));
    return store;
  }

  /** Installs what the component installs. */
  async prepare(name: string): Promise<void> {
    const parameters = installationParameters(this.plan.installation, this.cluster.assets);
    const file = "components/artifact/installation/install.sh";
    const { code, stderr } = await this.cluster.script(name, file, parameters);
    if (code !== 0) throw new Error(stderr);
  }

  parameters(name: string, change: Change = {}) {
    const nodes = this.cluster
      .nodes(change.memoryGiB)
      .map((node) => ({ ...node, retiring: node.name === change.retiring }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const node = nodes.find((each) => each.name === name);
    if (!node) throw new Error(name);
    return {
      ...nodeParameters(node, {
        ...{ plan: this.plan, nodes, clients: [client], ...keys },
        ...(change.root && { root: change.root }),
        ...(change.cargohold && { cargohold: change.cargohold }),
        identity: change.identities?.get(name),
      }),
      ...(change.version && { VERSION: change.version }),
    };
  }

  turn(name: string, change?: Change) {
    return this.cluster.script(name, `${room}/node.sh`, this.parameters(name, change));
  }

  ready(change?: Change) {
    return this.cluster.script("datanode1", `${room}/ready.sh`, this.parameters("datanode1", change));
  }

  /** All turns as the program has them, and the end of them. */
  async up(change: Change = {}): Promise<string> {
    for (const name of this.cluster
      .nodes()
      .map((each) => each.name)
      .sort()) {
      const run = await this.turn(name, change);
      if (run.code !== 0) throw new Error(`${name}: ${run.stdout}${run.stderr}`);
    }
    const ready = await this.ready(change);
    if (ready.code !== 0) throw new Error(`ready: ${ready.stdout}${ready.stderr}`);
    // A client has the settings too.
    for (const file of [
      "/opt/wiab/minio/store.py",
      "/etc/wiab/minio/settings.json",
      "/etc/wiab/minio/layout",
    ])
      this.cluster.assetHost.write(file, this.cluster.machine("datanode1").read(file));
    return ready.stdout.trim();
  }

  run(name: string, command: string) {
    return ended(this.cluster.machine(name).spawn("-c", `/opt/wiab/minio/${command}`));
  }

  /** Runs Python on the client, with what store.py has. */
  python(...lines: string[]): Promise<string> {
    const program = ["import sys; sys.path.insert(0, '/opt/wiab/minio')", "from store import *", ...lines];
    return this.cluster.assetHost.run(`python3 -B - <<'END_PYTHON'\n${program.join("\n")}\nEND_PYTHON`);
  }

  each(command: string): Promise<string[]> {
    return Promise.all(this.cluster.nodes().map(({ name }) => this.cluster.machine(name).run(command)));
  }

  processes() {
    return this.each("systemctl show --property=MainPID --value minio.service");
  }

  /** Puts objects one after another through whichever node takes them, while something is done. */
  async whilePutting(prefix: string, action: () => Promise<void>): Promise<number> {
    const host = this.cluster.assetHost;
    host.write(
      "/root/writer.py",
      [
        "import os, sys; sys.path.insert(0, '/opt/wiab/minio')",
        "from store import *",
        "nodes, done, turn = list(MEMBERS), 0, 0",
        "while not os.path.exists('/root/stop'):",
        "    try:",
        `        ask('PUT', f'/dummy-bucket/${prefix}/{done}', body=str(done).encode() * 500, node=nodes[turn % len(nodes)], seconds=10)`,
        "        done += 1",
        "        open('/root/done', 'w').write(str(done))",
        // As many as can be read one by one afterwards.
        "        time.sleep(0.05)",
        "    except Trouble:",
        "        turn += 1",
      ].join("\n"),
    );
    await host.run("rm -f /root/stop; echo 0 >/root/done");
    const written = async () => Number((await host.run("cat /root/done")) || "0");
    const writer = ended(host.spawn("-c", "python3 -B /root/writer.py"));
    try {
      await until("something is put", async () => (await written()) > 0, 150);
      await action();
      const before = await written();
      await until("it is put on", async () => (await written()) > before, 150);
    } finally {
      await host.run("touch /root/stop");
      await writer;
    }
    return written();
  }

  /** How many copies of them the drives of each node have, two of an object that is whole. */
  async copies(prefix: string, count: number): Promise<number[]> {
    const drives = "/var/lib/minio-server{1,2}/dummy-bucket";
    const found = await this.each(
      `for file in ${drives}/${prefix}/*/xl.meta; do basename "$(dirname "$file")"; done | awk '$1 < ${count}' | wc -l`,
    );
    return found.map(Number);
  }

  /** How many of them a node gives back as they were. */
  async intact(prefix: string, count: number, node: string): Promise<number> {
    return Number(
      await this.python(
        `print(sum(ask('GET', f'/dummy-bucket/${prefix}/{n}', node='${node}') == str(n).encode() * 500 for n in range(${count})))`,
      ),
    );
  }
}

async function identities(store: Store): Promise<Map<string, Identity>> {
  const pem = () =>
    generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const signer = { commonName: "tests", key: pem() };
  const authority = await authorityCertificate(signer.key, signer.commonName);
  const entries = store.cluster.nodes().map(async ({ name, address }) => {
    const privateKey = pem();
    const names = { commonName: name, dnsNames: [name], addresses: [address] };
    const certificate = await serverCertificate(privateKey, names, signer);
    return [name, { privateKey, certificate, authority }] as const;
  });
  return new Map(await Promise.all(entries));
}

describe("MinIO on three nodes", () => {
  let store: Store;
  beforeAll(async () => {
    store = await Store.start(["datanode1", "datanode2", "datanode3"]);
  }, minutes(10));
  afterAll(() => store?.cluster.stop());

  it(
    "is founded, though a run is killed in the middle, and is left alone by later runs",
    async () => {
      const killed = store.cluster.machine("datanode1").spawn("-s", "--", "apply");
      killed.stdin?.end(renderInput(loadServiceScript(room, "node.sh"), store.parameters("datanode1")));
      const begun = store.cluster.machine("datanode1").path("/etc/wiab/minio/environment");
      await until("it is being configured", () => existsSync(begun), 150);
      await kill(killed);
      expect(await store.up()).toMatch(
        /6 of 6 drives on 3 nodes online, write quorum 4; object put on datanode1 read on datanode2 after \d+ ms, datanode3 after \d+ ms; public is readable by all and assets is not; cargohold reads, writes and deletes in assets alone\naddresses: 192.168.122.31 192.168.122.32 192.168.122.33$/,
      );
      const files = () =>
        store.each("find /etc/wiab /etc/systemd /opt/wiab -type f -printf '%p %C@\\n' | sort");
      const before = { processes: await store.processes(), files: await files() };
      expect(await store.up()).toMatch(/^6 of 6 drives/);
      expect({ processes: await store.processes(), files: await files() }).toEqual(before);
    },
    minutes(15),
  );

  it(
    "shows no credential to others",
    async () => {
      const seen = await store.each(
        "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; cat /var/log/units/*",
      );
      const readable = await store.each(
        `find /etc/wiab /etc/systemd /opt/wiab /var/log /tmp /dev/shm -type f -perm /004 -print0 | xargs -0 grep -lE '${secrets.join("|")}' || true`,
      );
      for (const secret of secrets) expect(seen.join("\n")).not.toContain(secret);
      expect(readable).toEqual(["", "", ""]);
    },
    minutes(2),
  );

  it(
    "lets cargohold delete assets, and nothing else of it elsewhere",
    async () => {
      const answers = await store.python(
        "keys = SETTINGS['cargohold']",
        "def tell(*request, **how): print(status(*request, keys=keys, **how))",
        "tell('PUT', '/assets/one', body=b'1'); tell('DELETE', '/assets/one')",
        "tell('PUT', '/public/one', body=b'1'); tell('DELETE', '/dummy-bucket/one'); tell('GET', '/k8ssandra-backups'); tell('PUT', '/mine')",
        "print(status('GET', '/assets/one'))",
      );
      expect(answers.split("\n")).toEqual(["200", "204", "403", "403", "403", "403", "404"]);
    },
    minutes(2),
  );

  it(
    "puts back what was changed by hand, and knows it as a fault before",
    async () => {
      await store.python(
        "everybody = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': {'AWS': ['*']}, 'Action': ['s3:GetObject'], 'Resource': ['arn:aws:s3:::assets/*']}]}",
        "ask('PUT', '/assets', {'policy': ''}, json.dumps(everybody))",
        "ask('DELETE', '/public', {'policy': ''}); ask('DELETE', '/k8ssandra-backups')",
        "ask('PUT', ADMIN + 'set-user-or-group-policy', {'policyName': 'readonly', 'userOrGroup': SETTINGS['cargohold']['accessKey'], 'isGroup': 'false'})",
      );
      const fault = await store.run("datanode2", "health");
      expect(fault).toMatchObject({ code: 1, stdout: "" });
      expect(fault.stderr).toContain("public without credentials");
      const ready = await store.ready();
      expect(ready.code).toBe(0);
      expect(ready.stdout.split("\n").slice(0, 4).sort()).toEqual([
        "gave bucket public its policy",
        "gave the user of cargohold its policy",
        "made bucket k8ssandra-backups",
        "took the policy of bucket assets away",
      ]);
      expect((await store.run("datanode2", "health")).code).toBe(0);
    },
    minutes(3),
  );

  it(
    "lets in nodes and clients only",
    async () => {
      const node = store.cluster.machine("datanode1");
      const reach = () =>
        store.cluster.assetHost
          .run(`timeout 5 bash -c '</dev/tcp/${store.cluster.addressOf("datanode1")}/9000'`)
          .then(
            () => "open",
            () => "closed",
          );
      expect(await reach()).toBe("open");
      await node.run(
        "sed -i 's/, 192.168.122.10//' /etc/wiab/minio/admit.nft; systemctl restart wiab-admit-minio",
      );
      expect(await reach()).toBe("closed");
      expect((await store.turn("datanode1")).code).toBe(0);
      expect(await reach()).toBe("open");
    },
    minutes(3),
  );

  it(
    "restarts a node only once the others have what they missed while they were away",
    async () => {
      await store.cluster.machine("datanode3").run("systemctl stop minio.service");
      // MinIO itself tries a second later to bring the copies that are lacking, and never again.
      await store.python(
        "for n in range(20): ask('PUT', f'/dummy-bucket/missed/{n}', body=str(n).encode() * 500, node='datanode2')",
        "time.sleep(5)",
      );
      await store.cluster.machine("datanode3").run("systemctl start minio.service");
      const [before] = await store.processes();
      const turn = await store.turn("datanode1", { memoryGiB: 3 });
      expect(turn).toMatchObject({ code: 0 });
      expect((await store.processes())[0]).not.toBe(before);
      expect(await store.copies("missed", 20)).toEqual([40, 40, 40]);
    },
    minutes(5),
  );

  it(
    "takes a change of settings node by node, and no acknowledged object is lost",
    async () => {
      const before = await store.processes();
      const written = await store.whilePutting("rolling", async () => {
        await store.up({ memoryGiB: 4 });
      });
      for (const [index, process] of (await store.processes()).entries())
        expect(process).not.toBe(before[index]);
      expect(await store.copies("rolling", written)).toEqual([2 * written, 2 * written, 2 * written]);
      for (const { name } of store.cluster.nodes())
        expect(await store.intact("rolling", written, name), name).toBe(written);
    },
    minutes(10),
  );

  it(
    "goes on when a node's service is killed and when one is unplugged",
    async () => {
      const written = await store.whilePutting("faults", async () => {
        const node = store.cluster.machine("datanode2");
        await node.run("kill -9 $(systemctl show --property=MainPID --value minio.service)");
        expect((await store.turn("datanode2", { memoryGiB: 4 })).code).toBe(0);
        store.cluster.plug("datanode3", "out");
        const cut = await store.run("datanode1", "health");
        store.cluster.plug("datanode3", "in");
        expect(cut).toMatchObject({ code: 1, stdout: "" });
        expect(cut.stderr).toContain("datanode3");
      });
      await until(
        "every drive is there",
        async () => (await store.run("datanode1", "health")).code === 0,
        150,
      );
      // As the hourly timer has it done.
      expect((await store.each("systemctl is-active wiab-minio-care.timer")).join()).toBe(
        "active,active,active",
      );
      await store.each("systemctl start wiab-minio-care.service");
      expect(await store.copies("faults", written)).toEqual([2 * written, 2 * written, 2 * written]);
      expect(await store.intact("faults", written, "datanode3")).toBe(written);
    },
    minutes(10),
  );

  it(
    "has a node, rebuilt empty, join again with all that it had",
    async () => {
      await store.cluster.destroy("datanode1");
      await store.cluster.add("datanode1");
      await store.prepare("datanode1");
      expect(await store.up({ memoryGiB: 4 })).toContain("6 of 6 drives");
      // What it has must do for one of the others.
      await store.cluster.machine("datanode3").run("systemctl stop minio.service");
      expect(await store.intact("rolling", 3, "datanode1")).toBe(3);
      const refused = await store.run("datanode1", "health");
      expect(refused.stderr).toContain("datanode3");
      await store.cluster.machine("datanode3").run("systemctl start minio.service");
      expect(await store.up({ memoryGiB: 4 })).toContain("6 of 6 drives");
    },
    minutes(10),
  );

  it(
    "backs everything up on one node alone, and gives it back as it was",
    async () => {
      await store.python(
        "ask('PUT', '/assets/a b/ü', body=b'asset', headers={'x-amz-meta-token': 't1', 'content-type': 'text/x-own'})",
        "ask('PUT', '/more'); ask('PUT', '/more/empty', body=b'')",
      );
      const runs = await Promise.all(
        store.cluster
          .nodes()
          .map(async ({ name }) => ({ name, ...(await store.run(name, "backup >/root/backup.tar")) })),
      );
      expect(runs.map(({ name, code }) => [name, code]).sort()).toEqual([
        ["datanode1", 0],
        ["datanode2", 3],
        ["datanode3", 3],
      ]);
      expect(await store.cluster.machine("datanode2").run("stat --format %s /root/backup.tar")).toBe("0");
      await store.python(
        "for name in list(listed('more')): ask('DELETE', f'/more/{name}')",
        "ask('DELETE', '/more'); ask('DELETE', '/assets/a b/ü'); ask('DELETE', '/public', {'policy': ''})",
      );
      const broken = await store.run("datanode1", "restore < <(head -c 20000 /root/backup.tar)");
      expect(broken.code).toBe(1);
      expect(broken.stderr).toContain("not");
      const restored = await store.run("datanode1", "restore </root/backup.tar");
      expect(restored).toMatchObject({ code: 0 });
      expect(restored.stderr).toContain("more");
      const found = await store.python(
        "answer = send('GET', '/assets/a b/ü')",
        "print(answer.read(), answer.getheader('x-amz-meta-token'), answer.getheader('content-type'))",
        "print(list(listed('more')))",
      );
      expect(found).toBe("b'asset' t1 text/x-own\n['empty']");
      expect((await store.run("datanode1", "health")).code).toBe(0);
    },
    minutes(5),
  );

  it(
    "leaves a new node without drives, and lets none of its own go",
    async () => {
      await store.cluster.add("datanode4");
      await store.prepare("datanode4");
      expect(await store.up({ memoryGiB: 4 })).toContain(
        "addresses: 192.168.122.31 192.168.122.32 192.168.122.33",
      );
      expect((await store.turn("datanode4")).stdout).toContain("MinIO has no drives on datanode4");
      expect((await store.run("datanode4", "backup")).code).toBe(3);
      expect((await store.run("datanode4", "health")).stdout).toContain("6 of 6 drives on 3 nodes online");
      expect((await store.turn("datanode4", { memoryGiB: 4, retiring: "datanode4" })).code).toBe(0);
      const [before] = await store.processes();
      const refused = await store.turn("datanode2", { memoryGiB: 4, retiring: "datanode2" });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("datanode2 cannot leave");
      expect((await store.processes())[0]).toBe(before);
      await store.cluster.destroy("datanode4");
    },
    minutes(5),
  );

  it(
    "takes other keys, and TLS, with all nodes at once",
    async () => {
      const change = {
        memoryGiB: 4,
        root: { accessKey: "rootAccessKey0000002", secretKey: "rootSecretKey0000000000000000000000000002" },
        cargohold: { accessKey: "cargoAccessKey000002", secretKey: "cargoSecretKey0000000000000002" },
      };
      const ready = await store.up(change);
      expect(ready).toContain("removed a former user of cargohold");
      expect(ready).toContain("6 of 6 drives");
      expect(await store.intact("rolling", 3, "datanode1")).toBe(3);
      const secure = { ...change, identities: await identities(store) };
      expect(await store.up(secure)).toContain("6 of 6 drives");
      const plain = store.cluster.assetHost.run(
        "python3 -c 'import urllib.request as r; r.urlopen(\"http://192.168.122.31:9000/minio/health/live\", timeout=10)'",
      );
      await expect(plain).rejects.toThrow("400");
      const refused = await store.turn("datanode1", { ...secure, version: "RELEASE.2020-01-01T00-00-00Z" });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("cannot go back to RELEASE.2020-01-01T00-00-00Z");
    },
    minutes(10),
  );
});

describe("MinIO on one node", () => {
  let store: Store;
  beforeAll(async () => {
    store = await Store.start(["datanode1"]);
  }, minutes(5));
  afterAll(() => store?.cluster.stop());

  it(
    "is as healthy as on more, and restarts for a change",
    async () => {
      expect(await store.up()).toContain("2 of 2 drives on 1 nodes online");
      const before = await store.processes();
      expect(await store.up({ memoryGiB: 4 })).toContain("object put on datanode1 read on datanode1");
      expect(await store.processes()).not.toEqual(before);
      const refused = await store.turn("datanode1", { memoryGiB: 4, retiring: "datanode1" });
      expect(refused.code).toBe(1);
    },
    minutes(5),
  );
});
