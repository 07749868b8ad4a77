import { execFileSync, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { waitUntil } from "../../toolchain/commands";
import { commands } from "../acceptance/faults/world";

const script = join(__dirname, "../../lab/containers/machine.sh");
const name = `test-${process.pid}`;
const directory = mkdtempSync(join(tmpdir(), "wiab-container-"));

afterAll(() => rmSync(directory, { recursive: true }));

/** The host's hierarchies of control groups that can stop their processes. */
const hierarchies = readFileSync("/proc/mounts", "utf8")
  .split("\n")
  .map((line) => line.split(" "))
  .filter(
    ([, , type, options]) => type === "cgroup2" || (type === "cgroup" && /\bfreezer\b/.test(options ?? "")),
  )
  .map(([, path]) => join(path as string, `wiab-${name}`));

const machine = (what: string) =>
  execFileSync(script, [what], { env: { ...process.env, NAME: name, DIRECTORY: directory }, stdio: "pipe" });

describe("a container of the lab", () => {
  const child = spawn("sh", ["-c", `while :; do date +%s%N >${directory}/beat; sleep 0.05; done`]);
  afterAll(() => {
    machine("resume");
    child.kill("SIGKILL");
    return new Promise<void>((resolve) =>
      child.once("close", () => {
        for (const group of hierarchies) rmdirSync(group);
        resolve();
      }),
    );
  });

  const beat = () => readFileSync(join(directory, "beat"), "utf8");
  const goesOn = async () => {
    const before = beat();
    await waitUntil("the process to go on", 60, async () => beat() !== before);
  };

  it("stands still while it is paused, and goes on where it was", async () => {
    for (const group of hierarchies) {
      mkdirSync(group);
      writeFileSync(join(group, "cgroup.procs"), `${child.pid}`);
    }
    await waitUntil("the process to begin", 60, async () => {
      try {
        return beat() !== "";
      } catch {
        return false;
      }
    });
    await goesOn();
    machine("pause");
    // What is in the middle of a system call ends it first.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stopped = beat();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(beat()).toBe(stopped);
    machine("resume");
    await goesOn();
  });
});

describe("a power cut", () => {
  const own = mkdtempSync(join(tmpdir(), "wiab-container-"));
  const [disk, root] = [join(own, "disk"), join(own, "root")];
  const mount = () => execFileSync("mount", ["-o", "loop", disk, root]);
  afterAll(() => {
    execFileSync("umount", [root]);
    rmSync(own, { recursive: true });
  });

  it("takes what was not synchronized, whoever else has the disk mounted by chance", async () => {
    mkdirSync(root);
    execFileSync("truncate", ["--size", "256M", disk]);
    execFileSync("mkfs.ext4", ["-q", disk]);
    mount();
    const bystander = spawn("unshare", ["--mount", "sleep", "600"]);
    const namespaceOf = (process: string) => readlinkSync(`/proc/${process}/ns/mnt`);
    try {
      await waitUntil(
        "the bystander to have its own mounts",
        60,
        async () => namespaceOf(`${bystander.pid}`) !== namespaceOf("self"),
      );
      writeFileSync(join(root, "synchronized"), "x");
      execFileSync("sync", ["--file-system", root]);
      writeFileSync(join(root, "written"), "x");
      execFileSync(script, ["cut"], { env: { ...process.env, NAME: name, DIRECTORY: own }, stdio: "pipe" });
      mount();
      expect(readdirSync(root).sort()).toEqual(["lost+found", "synchronized"]);
      writeFileSync(join(root, "afterwards"), "x");
    } finally {
      bystander.kill();
    }
  });
});

describe("a full disk", () => {
  const disk = join(directory, "disk");
  const root = join(directory, "root");
  afterAll(() => {
    execFileSync("umount", [root]);
  });

  /** A drill's command, on a file system of the test's own in place of a machine's. */
  const there = (command: string) =>
    execFileSync("bash", [
      "-c",
      command
        .replaceAll("sudo ", "")
        .replaceAll("/var/lib/wiab-full", `${root}/full`)
        .replace(/ \/(?=[) ])/g, ` ${root}`),
    ])
      .toString()
      .trim();

  it("has no room for a byte, takes none of the host's, and is freed again", () => {
    mkdirSync(root);
    execFileSync("truncate", ["--size", "256M", disk]);
    execFileSync("mkfs.ext4", ["-q", disk]);
    execFileSync("mount", ["-o", "loop", disk, root]);
    const blocks = () => statSync(disk).blocks * 512;
    const before = blocks();
    expect(there(commands.fill)).toBe("0");
    expect(() => writeFileSync(join(root, "one"), "x".repeat(8192))).toThrow(/ENOSPC/);
    expect(blocks() - before).toBeLessThan(32e6);
    there(commands.free);
    writeFileSync(join(root, "one"), "x".repeat(8192));
  });
});
