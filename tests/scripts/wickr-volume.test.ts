import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { guideKey, keyText } from "../../components/wickr/key";
import { preflightParameters } from "../../components/wickr/wickr";
import { run, serial, WickrDisk } from "../fixtures/wickr-disk";

// The script of the volume with cryptsetup, blkid and file systems on a loop device. Where the mapping would be is another
// loop device (fixtures/wickr-disk.ts): that data are encrypted is for the lab to show, in a machine with a device mapper.

const key = keyText("0123456789abcdef".repeat(4));
const parameters = (changes: Record<string, string> = {}) => ({
  ...{ SERIAL: serial, KEY: key, UNLOCK: "keyFile", SIZE: "" },
  ...changes,
});

let machine: WickrDisk;
beforeEach(() => {
  machine = new WickrDisk();
});
afterEach(() => machine.remove());

const apply = (changes?: Record<string, string>, options?: Parameters<WickrDisk["script"]>[2]) =>
  machine.script("volume.sh", parameters(changes), options);

/** The first 32 MiB of the disk: headers of all kinds, and where a file system would begin. */
function beginning(): string {
  const bytes = Buffer.alloc(32 * 1024 * 1024);
  const file = openSync(machine.image, "r");
  readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  return createHash("sha256").update(bytes).digest("hex");
}

const opensWith = (text: string): boolean =>
  spawnSync("cryptsetup", ["open", "--test-passphrase", "--key-file", "-", machine.device], { input: text })
    .status === 0;
const encrypt = (text: string, ...options: string[]) =>
  execFileSync(
    "cryptsetup",
    [
      ...["luksFormat", "--batch-mode", "--pbkdf", "pbkdf2", "--iter-time", "20"],
      ...options,
      "--key-file",
      "-",
      machine.device,
    ],
    { input: text },
  );
const made = (calls: readonly string[]) => calls.filter((call) => /^(luksFormat|mkfs)/.test(call));
const files = ["/etc/crypttab", "/etc/fstab", "/etc/docker/daemon.json", "/etc/crypttab.keyfile"];

describe("the volume's script", { timeout: 600_000 }, () => {
  it("encrypts an empty disk, has it opened at boot, and does nothing the second time", async () => {
    machine.write("/etc/docker/daemon.json", '{"log-driver": "journald"}');
    machine.write("/etc/fstab", "UUID=1 / ext4 defaults 0 1\n");
    machine.write("/etc/crypttab", "");
    const first = await apply();
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const uuid = run("cryptsetup", "luksUUID", machine.device);
    expect(first.stdout).toContain(`volume: ${uuid}`);
    expect(run("cryptsetup", "luksDump", machine.device)).toMatch(
      /Version:\s+2\n[\s\S]*Label:\s+wiab-wickr\n[\s\S]*cipher: aes-xts-plain64[\s\S]*PBKDF:\s+pbkdf2[\s\S]*\n +0: wiab-wickr/,
    );
    expect(machine.read("/etc/crypttab.keyfile")).toBe(key);
    expect(statSync(machine.path("/etc/crypttab.keyfile")).mode & 0o777).toBe(0o400);
    expect(machine.read("/etc/crypttab")).toBe(`cryptfs UUID=${uuid} /etc/crypttab.keyfile luks,nofail\n`);
    const mounts = machine.read("/etc/fstab").split("\n");
    expect(mounts[0]).toBe("UUID=1 / ext4 defaults 0 1");
    expect(mounts[1]).toMatch(/^UUID=[0-9a-f-]{36} \/cryptfs ext4 defaults,nofail,/);
    expect(mounts[1]).not.toContain(uuid);
    expect(mounts[2]).toMatch(/^\/cryptfs\/replicated \/var\/lib\/replicated none bind,nofail,/);
    expect(JSON.parse(machine.read("/etc/docker/daemon.json"))).toEqual({
      "log-driver": "journald",
      "data-root": "/cryptfs/docker-data",
    });
    expect(machine.read("/etc/systemd/system/docker.service.d/wickr.conf")).toContain(
      "RequiresMountsFor=/cryptfs",
    );
    expect(statSync(machine.path("/var/lib/wiab/wickr/luks-header")).mode & 0o777).toBe(0o400);
    expect(made(machine.calls())).toEqual(["luksFormat --batch-mode", "mkfs"]);

    const texts = files.map((file) => machine.read(file));
    expect(await apply()).toMatchObject({ code: 0, stderr: "", stdout: first.stdout });
    expect(made(machine.calls())).toEqual([]);
    expect(files.map((file) => machine.read(file))).toEqual(texts);
    expect(run("cryptsetup", "luksUUID", machine.device)).toBe(uuid);
  });

  it.each(["half-format", "luksFormat", "open --key-file", "mkfs", "token"])(
    "finishes what a run has begun that was killed at %s",
    async (killAt) => {
      expect((await apply({}, { killAt })).code).not.toBe(0);
      machine.calls();
      expect(await apply()).toMatchObject({ code: 0, stderr: "" });
      // Once the token is there the disk is never formatted again.
      if (killAt === "token") expect(made(machine.calls())).toEqual([]);
      expect(run("cryptsetup", "luksDump", machine.device)).toMatch(/\n +0: wiab-wickr/);
      machine.calls();
      expect(await apply()).toMatchObject({ code: 0, stderr: "" });
      expect(made(machine.calls())).toEqual([]);
      expect(machine.read("/etc/crypttab").split("\n")).toHaveLength(2);
    },
  );

  it("keeps no key on the machine where somebody types it, and goes back", async () => {
    expect(await apply()).toMatchObject({ code: 0 });
    expect(await apply({ UNLOCK: "typed" })).toMatchObject({ code: 0, stderr: "" });
    expect(machine.read("/etc/crypttab")).toMatch(/^cryptfs UUID=\S+ none luks,nofail\n$/);
    expect(() => machine.read("/etc/crypttab.keyfile")).toThrow();
    expect([opensWith(key.trimEnd()), opensWith(key)]).toEqual([true, false]);
    expect(await apply()).toMatchObject({ code: 0, stderr: "" });
    expect([opensWith(key.trimEnd()), opensWith(key)]).toEqual([false, true]);
    expect(made(machine.calls())).toEqual(["luksFormat --batch-mode", "mkfs"]);
  });

  it("opens a disk that the guide's script has encrypted, and formats nothing", async () => {
    const own = guideKey("pass word", "salt");
    encrypt(own);
    const loop = run("losetup", "--find", "--show", "--offset", `${16 * 1024 * 1024}`, machine.device);
    run("mkfs.ext4", "-q", loop);
    run("losetup", "--detach", loop);
    expect(await apply({ KEY: own })).toMatchObject({ code: 0, stderr: "" });
    expect(made(machine.calls())).toEqual([]);
  });

  it("touches nothing of ours whose file system is gone", async () => {
    expect(await apply()).toMatchObject({ code: 0 });
    machine.calls();
    run(
      "dd",
      "if=/dev/zero",
      `of=${machine.device}`,
      "bs=1M",
      "seek=16",
      "count=4",
      "conv=fsync",
      "status=none",
    );
    expect(await apply()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("the file system of Wickr on "),
    });
    expect(made(machine.calls())).toEqual([]);
  });

  it.each<[what: string, message: RegExp, make: () => void, before?: string]>([
    ["a file system", /is not empty: .*TYPE ext4.*wipefs --all/, () => makeFileSystem()],
    ["another key", /is encrypted with another key \(LUKS, UUID /, () => encrypt("another")],
    ["a mount", /is in use: mounted on \/mnt/, () => makeFileSystem(), "mount DISK /mnt"],
    ["a table of partitions", /is not empty: PTTYPE dos/, () => partition()],
    [
      "too few bytes",
      /has 104 MB, too few/,
      () => {
        machine.remove();
        machine = new WickrDisk(100);
      },
    ],
    [
      "no such disk",
      /no disk has the serial number wickr-data; there are: sda \(other-disk\)/,
      () => rmSync(machine.path("/disk")),
    ],
  ])("refuses a disk with %s, and the preflight says so too", async (_, message, make, before = "true") => {
    make();
    const [bytes, options] = [beginning(), { before: before.replace("DISK", machine.device) }];
    expect(await apply({}, options)).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    const found = await machine.script(
      "preflight.sh",
      { ...parameters(), ...preflightParameters({ waive: [], hostname: "localhost" }) },
      options,
    );
    expect(found).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    // What is mounted has its time of mounting in it.
    if (before === "true") expect(beginning()).toBe(bytes);
    expect(made(machine.calls())).toEqual([]);
  });
});

const makeFileSystem = () => run("mkfs.ext4", "-q", machine.device);

/** One partition over the whole disk, in a table of MBR. */
function partition(): void {
  const table = Buffer.alloc(512);
  table[446 + 4] = 0x83;
  table.writeUInt32LE(2048, 446 + 8);
  table.writeUInt32LE(1_000_000, 446 + 12);
  table.writeUInt16LE(0xaa55, 510);
  execFileSync("dd", [`of=${machine.device}`, "conv=fsync", "status=none"], { input: table });
}

describe("the preflight of Wickr", () => {
  it("says all that is wrong at once, and what was waived by its name", async () => {
    const look = (waive: Parameters<typeof preflightParameters>[0]["waive"]) =>
      machine.script("preflight.sh", {
        ...parameters(),
        ...preflightParameters({ waive, hostname: "no.such.name.invalid" }),
        ROOT_GB: "999999",
      });
    const all = await look([]);
    expect(all.code).toBe(1);
    for (const finding of [
      /runs debian .*\(wickr.waive: system\)/,
      /its \/ has \d+ GB.*rootSpace/,
      /its disk .* has 1 GB/,
      /cannot resolve no/,
    ])
      expect(all.stderr).toMatch(finding);
    const some = await look(["system", "rootSpace"]);
    expect(some.stdout).toMatch(/^waived: it runs debian/m);
    expect(some.stderr).not.toMatch(/debian|rootSpace/);
    expect(some.stderr).toMatch(/diskSpace/);
  });
});
