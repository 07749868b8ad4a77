import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openSshEd25519 } from "../../components/secrets/keys";
import { cable, type Ended, Namespace } from "../acceptance/verify/namespace";
import { sha256 } from "../fixtures/archives";
import { ended, kill, Machine, onHost, scriptInput, until } from "../fixtures/machine";

// The way of the files from the host to the asset host, a machine with a real SSH server, and into a release there.

const assets = "/opt/assets";
const key = openSshEd25519(Buffer.alloc(32, "a key of the tests"), "tests");
const keyLine = key.privateKey.split("\n")[2] as string;

let root: string;
let host: Namespace;
let machine: Machine;

beforeAll(async () => {
  host = new Namespace("host");
  machine = await Machine.start("assethost");
  cable(host, "machines", machine.network, "eth0");
  host.run("ip", "address", "add", "192.0.2.1/24", "dev", "machines");
  machine.network.run("ip", "address", "add", "192.0.2.2/24", "dev", "eth0");
  await machine.run("useradd --create-home --shell /bin/bash deploy; mkdir -p /run/sshd");
  machine.write("/etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD: ALL\n", 0o440);
  machine.write("/home/deploy/.ssh/authorized_keys", key.publicKey);
  await startSshd();
});
afterAll(async () => {
  await machine?.stop();
  // A run that was killed leaves its connection to the asset host.
  for (const pid of processes())
    try {
      process.kill(pid);
    } catch {
      // It has ended by itself.
    }
  host.remove();
});

/** What runs on the host. */
const processes = () =>
  execFileSync("ip", ["netns", "pids", host.name], { encoding: "utf8" })
    .split("\n")
    .filter(Boolean)
    .map(Number);

async function startSshd(): Promise<void> {
  machine.spawn("-c", "exec /usr/sbin/sshd -D");
  await until("SSH answers", () =>
    machine.run("true </dev/tcp/127.0.0.1/22").then(
      () => true,
      () => false,
    ),
  );
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-transfer-"));
  mkdirSync(memory());
  mkdirSync(join(root, "store", "files"), { recursive: true });
});
afterEach(async () => {
  rmSync(root, { recursive: true });
  await machine.run(`! mountpoint -q ${assets} || umount ${assets}; rm -rf ${assets} /usr/local/sbin/*`);
});

/** Files by their paths, in the host's store. */
type Files = Readonly<Record<string, Buffer>>;

const megabyte = (name: string) => Buffer.alloc(1_000_000, `${name}\n`);
const files: Files = {
  "binaries/kubelet": megabyte("kubelet"),
  "binaries/crictl": megabyte("crictl"),
  "binaries/crictl-again": megabyte("crictl"),
  "containers-system/pause.tar": megabyte("pause"),
  "debs-bookworm/public/dists/bookworm/Release": Buffer.from("Suite: bookworm\n"),
  "debs-bookworm/public/gpg": Buffer.from(""),
};

/** Puts files into the store and gives the list of them that the scripts take. */
function list(content: Files): string {
  return Object.entries(content)
    .map(([path, bytes]) => {
      const sum = sha256(bytes);
      writeFileSync(join(root, "store", "files", sum), bytes);
      return `${sum} ${bytes.length} ${path}`;
    })
    .sort()
    .join("\n");
}

const sums = (content: Files) => [...new Set(Object.values(content).map(sha256))].sort();
const transferInput = (content: Files, port = "22", hostKey = "") =>
  scriptInput("components/artifact/asset-host/transfer.sh", {
    STORE: join(root, "store"),
    FILES: list(content),
    ROOT: assets,
    ADDRESS: "192.0.2.2",
    PORT: port,
    LOGIN: "deploy",
    PRIVATE_KEY: key.privateKey,
    HOST_KEY: hostKey,
  });
/** What the host has for its /dev/shm. */
const memory = () => join(root, "shm");
const start = () => onHost({ network: host, setting: [`mount --bind ${memory()} /dev/shm`] });
const transfer = (content: Files, port?: string): Promise<Ended> =>
  ended(start(), transferInput(content, port));

const arrived = () => readdirSync(machine.path(`${assets}/files`)).sort();
/** Paths of the files that have arrived, whole or not, and were not checked yet. */
const incoming = () =>
  ["0", "1"].flatMap((slot) => {
    const folder = machine.path(`${assets}/incoming/${slot}`);
    return existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
  });

function expectArrived(content: Files): void {
  expect(arrived()).toEqual(sums(content));
  for (const sum of arrived()) expect(sha256(readFileSync(machine.path(`${assets}/files/${sum}`)))).toBe(sum);
  expect(incoming()).toEqual([]);
}

/** Bytes that the machine has received since it was asked last. */
let received = 0;
async function newlyReceived(): Promise<number> {
  const total = Number(await machine.run("awk '/eth0:/ { print $2 }' /proc/net/dev"));
  const bytes = total - received;
  received = total;
  return bytes;
}

/** Files in the host's memory that have the private key. */
const keyFiles = () =>
  readdirSync(memory(), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file, "utf8").includes(keyLine));

const succeeded = { code: 0, stderr: "" };

/** Makes tar on the machine stop after so many bytes of what is sent. */
function stall(bytes: number): void {
  machine.write(
    "/usr/local/sbin/tar",
    `#!/bin/bash\n{ head -c ${bytes}; exec sleep 100; } | /usr/bin/tar "$@"\n`,
    0o755,
  );
}

/** Waits until a file has arrived whole and of another one a part. */
const halfway = () =>
  until("half of it has arrived", () => {
    const sizes = incoming().map((file) => statSync(file).size);
    return (
      sizes.filter((size) => size === 1_000_000).length > 0 &&
      sizes.some((size) => size > 0 && size < 1_000_000)
    );
  });

describe("the asset host's SSH key", () => {
  const transferTo = (hostKey: string) =>
    ended(start(), transferInput({ "a.txt": Buffer.from("a") }, "22", hostKey));

  it("has to be the one that is expected", async () => {
    const own = readFileSync(machine.path("/etc/ssh/ssh_host_ed25519_key.pub"), "utf8").trim();
    expect(await transferTo(own)).toMatchObject({ code: 0 });
    expect(await transferTo(key.publicKey)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("the asset host does not answer"),
    });
  });
});

describe("transfer.sh", () => {
  it("brings every file once, and nothing the second time", async () => {
    const first = await transfer(files);
    expect(first).toMatchObject(succeeded);
    expect(first.stdout).toContain("sending 5 files, 3 MB");
    expectArrived(files);
    const before = await newlyReceived();
    expect(before).toBeGreaterThan(3_000_000);
    expect(await transfer(files)).toEqual({ ...succeeded, stdout: "the asset host has everything\n" });
    expect(await newlyReceived()).toBeLessThan(100_000);
  });

  it("brings what is new", async () => {
    await transfer(files);
    await newlyReceived();
    const changed = { ...files, "binaries/kubelet": megabyte("newer") };
    expect(await transfer(changed)).toMatchObject({ ...succeeded, stdout: "sending 1 files, 1 MB\n" });
    expect(await newlyReceived()).toBeLessThan(1_200_000);
    expect(arrived()).toEqual(sums({ ...files, newer: megabyte("newer") }));
  });

  it("brings what is more than a batch, and says how far it is", async () => {
    const input = transferInput(files);
    expect(input).toContain("\nBATCH_MB=200\n");
    expect(await ended(start(), input.replace("BATCH_MB=200", "BATCH_MB=1"))).toEqual({
      ...succeeded,
      stdout: "sending 5 files, 3 MB\n1 of 3 MB\n2 of 3 MB\n3 of 3 MB\n",
    });
    expectArrived(files);
  });

  it("goes on where a run was killed", async () => {
    stall(1_500_000);
    const child = start();
    child.stdin?.end(transferInput(files));
    await halfway();
    await kill(child);
    expect(keyFiles()).toEqual([]);

    rmSync(machine.path("/usr/local/sbin/tar"));
    await newlyReceived();
    const second = await transfer(files);
    expect(second).toMatchObject(succeeded);
    expect(second.stdout).toMatch(/^sending [34] files, 2 MB\n$/);
    expectArrived(files);
    expect(await newlyReceived()).toBeLessThan(2_200_000);
  });

  it("waits for the checks of a run that was killed", async () => {
    // They are held until those of the next one begin, or cannot.
    machine.write(
      "/usr/local/sbin/sha256sum",
      `#!/bin/bash
if mkdir /run/first 2>/dev/null; then
  /usr/bin/sha256sum "$@"
  for _ in {1..20}; do [ -e /run/second ] || sleep 0.1; done
else
  touch /run/second
  sleep 1
  exec /usr/bin/sha256sum "$@"
fi\n`,
      0o755,
    );
    const child = start();
    child.stdin?.end(transferInput(files));
    await until("it checks", () => existsSync(machine.path("/run/first")));
    await kill(child);
    expect(await transfer(files)).toMatchObject(succeeded);
    expectArrived(files);
  });

  it("says what it was sending when the connection breaks, and goes on", async () => {
    stall(1_500_000);
    const child = start();
    const broken = ended(child, transferInput(files));
    await halfway();
    // The server, and what serves the connection.
    await machine.run(
      'for each in /proc/[0-9]*; do [ "$(cat $each/comm)" != sshd ] || kill ${each#/proc/} || true; done',
    );
    const { code, stderr } = await broken;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /error: sending \S+\/\S+ to the asset host at 192.0.2.2 failed; run up again, it goes on from there\n$/,
    );
    expect(keyFiles()).toEqual([]);

    const gone = await transfer(files);
    expect(gone).toMatchObject({
      code: 1,
      stderr: "error: the asset host does not answer: no SSH connection to deploy@192.0.2.2 port 22\n",
    });
    rmSync(machine.path("/usr/local/sbin/tar"));
    await startSshd();
    expect(await transfer(files)).toMatchObject({
      ...succeeded,
      stdout: expect.stringMatching(/^sending [34] files/),
    });
    expectArrived(files);
  });

  it("throws away what is not whole, and takes what is", async () => {
    const [whole, altered] = ["binaries/kubelet", "binaries/crictl"].map((path) => files[path] as Buffer);
    machine.write(`${assets}/incoming/0/${sha256(whole as Buffer)}`, whole as Buffer);
    machine.write(`${assets}/incoming/1/${sha256(altered as Buffer)}`, Buffer.alloc(1_000_000, "altered"));
    machine.write(`${assets}/files/${sha256(files["containers-system/pause.tar"] as Buffer)}`, "cut off");
    expect(await transfer(files)).toMatchObject({ ...succeeded, stdout: "sending 4 files, 2 MB\n" });
    expectArrived(files);
  });

  it("names the file that was altered in the host's store", async () => {
    const input = transferInput(files);
    writeFileSync(join(root, "store", "files", sha256(megabyte("kubelet"))), megabyte("altered"));
    const { code, stderr } = await ended(start(), input);
    expect(code).toBe(1);
    expect(stderr).toBe(
      "error: 1 files did not arrive whole at 192.0.2.2, binaries/kubelet among them; run up again\n",
    );
    expect(arrived()).not.toContain(sha256(megabyte("kubelet")));
  });

  it("stops before it sends anything to a disk that is too small", async () => {
    await machine.run(`mkdir -p ${assets} && mount -t tmpfs -o size=2m tmpfs ${assets}`);
    await newlyReceived();
    expect(await transfer(files)).toMatchObject({
      code: 1,
      stderr: `error: the asset host has 2 MB free in ${assets}, and 3 MB are to come: enlarge its diskGB\n`,
    });
    expect(await newlyReceived()).toBeLessThan(100_000);
    await machine.run(`mount -o remount,size=20m ${assets}`);
    expect(await transfer(files)).toMatchObject(succeeded);
    expectArrived(files);
  });

  it("goes on after a disk that has become full meanwhile", async () => {
    await machine.run(`mkdir -p ${assets} && mount -t tmpfs -o size=20m,nr_inodes=7 tmpfs ${assets}`);
    const full = await transfer(files);
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(
      /No space left on device\n(.*\n)*error: sending \S+ to the asset host at 192.0.2.2 failed/,
    );
    await machine.run(`mount -o remount,nr_inodes=100 ${assets}`);
    expect(await transfer(files)).toMatchObject({
      ...succeeded,
      stdout: expect.stringMatching(/^sending [34] files/),
    });
    expectArrived(files);
  });

  it("shows the key to nobody and leaves none behind", async () => {
    const before = processes();
    let samples = 0;
    const seen: string[] = [];
    let running = true;
    const watch = async () => {
      while (running) {
        for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
          for (const file of ["cmdline", "environ"])
            try {
              if (readFileSync(`/proc/${pid}/${file}`, "latin1").includes(keyLine))
                seen.push(`${pid}/${file}`);
            } catch {
              // It has ended.
            }
        samples++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const watching = watch();
    expect(await transfer(files)).toMatchObject(succeeded);
    expect(keyFiles()).toEqual([]);
    expect((await transfer(files, "23")).code).toBe(1);
    expect(readdirSync(memory())).toEqual([]);
    running = false;
    await watching;
    expect(samples).toBeGreaterThan(5);
    expect(seen).toEqual([]);
    await until("the connection is closed", () => processes().length === before.length);
  });
});

describe("publish.sh", () => {
  const release = (name: string, content: Files) => ({ ROOT: assets, RELEASE: name, FILES: list(content) });
  const script = "components/artifact/asset-host/publish.sh";
  const publish = (name: string, content: Files) => machine.script(script, release(name, content));

  /** Has files arrive. */
  function arrive(content: Files): void {
    for (const bytes of Object.values(content)) machine.write(`${assets}/files/${sha256(bytes)}`, bytes);
  }

  /** What is served, by path. */
  const served = (): Record<string, string> => {
    const current = machine.path(`${assets}/${readlinkSync(machine.path(`${assets}/current`))}`);
    return Object.fromEntries(
      readdirSync(current, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((file) => [file.slice(current.length + 1), sha256(readFileSync(file))]),
    );
  };
  const summed = (content: Files) =>
    Object.fromEntries(Object.entries(content).map(([path, bytes]) => [path, sha256(bytes)]));
  const releases = () => readdirSync(machine.path(`${assets}/releases`));
  const inode = (path: string) => statSync(machine.path(`${assets}/current/${path}`)).ino;

  const newer: Files = {
    ...files,
    "binaries/kubelet": megabyte("newer"),
    "charts/one/Chart.yaml": Buffer.from("one"),
  };

  it("makes a release of what has arrived", async () => {
    arrive(files);
    expect(await publish("first", files)).toEqual({ ...succeeded, stdout: "release first: 6 files\n" });
    expect(served()).toEqual(summed(files));
    const { ino, ctimeMs } = statSync(machine.path(`${assets}/releases/first`));
    expect(await publish("first", files)).toMatchObject(succeeded);
    expect(statSync(machine.path(`${assets}/releases/first`))).toMatchObject({ ino, ctimeMs });
  });

  it("replaces one with another that shares what has not changed, and takes the old one away", async () => {
    arrive(files);
    await publish("first", files);
    const before = Object.fromEntries(Object.keys(files).map((path) => [path, inode(path)]));
    arrive({ "binaries/kubelet": megabyte("newer"), chart: Buffer.from("one") });
    expect(await publish("second", newer)).toMatchObject(succeeded);
    expect(served()).toEqual(summed(newer));
    for (const path of Object.keys(files))
      expect(inode(path) === before[path]).toBe(path !== "binaries/kubelet");
    expect(releases()).toEqual(["second"]);
    expect(arrived()).toEqual(sums(newer));
  });

  it.each([
    ["is missing", undefined, "charts/one/Chart.yaml has not arrived"],
    ["is empty", "", "charts/one/Chart.yaml has 0 of 3 bytes"],
    ["is too long", "three", "charts/one/Chart.yaml has 5 of 3 bytes"],
  ])("keeps serving the former release when a file %s", async (_, text, message) => {
    arrive(files);
    await publish("first", files);
    arrive({ kubelet: megabyte("newer") });
    const file = `${assets}/files/${sha256("one")}`;
    if (text !== undefined) machine.write(file, text);
    expect(await publish("second", newer)).toMatchObject({
      code: 1,
      stderr: `${message}\nerror: release second is not complete; the former one is still served\n`,
    });
    expect(served()).toEqual(summed(files));
    machine.write(file, "one");
    expect(await publish("second", newer)).toMatchObject(succeeded);
    expect(served()).toEqual(summed(newer));
  });

  it("serves a complete release at every moment", async () => {
    const many = (mark: string): Files =>
      Object.fromEntries(
        Array.from({ length: 300 }, (_, n) => [`binaries/${mark}${n}`, Buffer.from(`${mark}${n}`)]),
      );
    const both = [many("a"), many("b")] as const;
    for (const each of both) arrive(each);
    await publish("a", both[0]);
    const wanted = both.map((each) => Object.keys(each).sort().join());
    const seen = new Set<string>();
    for (const [name, content] of [
      ["b", both[1]],
      ["a", both[0]],
    ] as const) {
      arrive(content);
      let running = true;
      const publishing = publish(name, content).finally(() => {
        running = false;
      });
      while (running) {
        const link = readlinkSync(machine.path(`${assets}/current`));
        let found = "";
        try {
          found = readdirSync(machine.path(`${assets}/${link}/binaries`))
            .map((file) => `binaries/${file}`)
            .sort()
            .join();
        } catch {
          // Taken away as the former one; the link says whether that was so.
        }
        if (readlinkSync(machine.path(`${assets}/current`)) === link) {
          expect(found).toBe(wanted[link === "releases/a" ? 0 : 1]);
          seen.add(link);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await publishing).toMatchObject(succeeded);
    }
    expect(seen.size).toBe(2);
  });

  // In turn: the files are linked, the release gets its name, the release becomes the current one.
  it.each(["perl", "mv", "ln"])(
    "serves the former release when it is killed at %s, and goes on",
    async (program) => {
      arrive(files);
      await publish("first", files);
      arrive({ kubelet: megabyte("newer"), chart: Buffer.from("one") });
      machine.write(
        `/usr/local/sbin/${program}`,
        `#!/bin/bash\ntouch ${assets}/reached\nexec sleep 100\n`,
        0o755,
      );
      const child = machine.spawn("-s", "--", "apply");
      child.stdin?.end(scriptInput(script, release("second", newer)));
      await until("it is there", () => readdirSync(machine.path(assets)).includes("reached"));
      await kill(child);
      expect(served()).toEqual(summed(files));

      rmSync(machine.path(`/usr/local/sbin/${program}`));
      expect(await publish("second", newer)).toMatchObject(succeeded);
      expect(served()).toEqual(summed(newer));
      expect(releases()).toEqual(["second"]);
    },
  );
});
