import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { keptDisks } from "../../cli/kept-disks";
import { cacheDirectory, cached, contentKey } from "../../toolchain/cache";
import { canReplace, goProxy } from "../../toolchain/go";
import { installOfficial } from "../../toolchain/official";
import { listen, stop } from "../fixtures/http-server";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-toolchain-"));
  vi.stubEnv("WIAB_CACHE", join(root, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

describe("the cache's folder", () => {
  it("is the operator's choice, else where caches are kept", () => {
    expect(cacheDirectory()).toBe(join(root, "cache"));
    vi.stubEnv("WIAB_CACHE", "");
    vi.stubEnv("XDG_CACHE_HOME", "/elsewhere");
    expect(cacheDirectory()).toBe("/elsewhere/wiab-staging");
    vi.stubEnv("XDG_CACHE_HOME", "");
    expect(cacheDirectory()).toMatch(/\/\.cache\/wiab-staging$/);
  });
});

it("the disks that a destroy has to be told to delete are those that the state protects", () => {
  const volume = (id: string, protect?: boolean) => ({ type: "libvirt:index/volume:Volume", id, protect });
  const resources = [
    volume("/pool/a.qcow2", true),
    volume("/pool/b.qcow2"),
    { type: "other", id: "c", protect: true },
  ];
  expect(keptDisks({ deployment: { resources } })).toEqual(["/pool/a.qcow2"]);
  expect(keptDisks({ deployment: {} })).toEqual([]);
});

describe("a key from content", () => {
  const files = () => join(root, "files");
  const key = () => contentKey(["word"], files());

  beforeEach(() => {
    mkdirSync(join(files(), "below"), { recursive: true });
    writeFileSync(join(files(), "one"), "1");
    writeFileSync(join(files(), "below", "two"), "2");
  });

  it("stays the same for the same files, wherever they lie", () => {
    const before = key();
    renameSync(files(), join(root, "moved"));
    expect(contentKey(["word"], join(root, "moved"))).toBe(before);
    expect(before).toMatch(/^[0-9a-f]{24}$/);
  });

  it.each([
    ["a file's content", () => writeFileSync(join(files(), "below", "two"), "3")],
    ["a file's name", () => renameSync(join(files(), "one"), join(files(), "eins"))],
    ["a file's folder", () => renameSync(join(files(), "one"), join(files(), "below", "one"))],
    ["one file more", () => writeFileSync(join(files(), "three"), "")],
    ["one file less", () => rmSync(join(files(), "one"))],
  ])("changes with %s", (_, change) => {
    const before = key();
    change();
    expect(key()).not.toBe(before);
  });

  it("changes with the words and where they end", () => {
    expect(contentKey(["ab", "c"])).not.toBe(contentKey(["a", "bc"]));
    expect(contentKey(["a"])).not.toBe(contentKey(["a", ""]));
  });
});

describe("what is cached", () => {
  const kind = () => join(root, "cache", "things");
  const make = async (directory: string) => writeFileSync(join(directory, "thing"), "made");
  /** What a run that makes `key` keeps until it has finished; `pid` is the process's. */
  const leftover = (key: string, pid: number, start: string) => {
    const directory = join(kind(), `${key}.building-${pid}-${start}`);
    mkdirSync(directory, { recursive: true });
    return directory;
  };
  const startOf = (pid: number) =>
    readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ")[19] ?? "";
  const children: ChildProcess[] = [];
  const sleeper = () => {
    const child = spawn("sleep", ["600"]);
    children.push(child);
    return child;
  };
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  it("is made once", async () => {
    const maker = vi.fn(make);
    const directory = await cached("things", "key", maker);
    expect(directory).toBe(join(kind(), "key"));
    expect(await cached("things", "key", maker)).toBe(directory);
    expect(maker).toHaveBeenCalledTimes(1);
    expect(readFileSync(join(directory, "thing"), "utf8")).toBe("made");
    await cached("things", "another", maker);
    expect(maker).toHaveBeenCalledTimes(2);
  });

  it("is not there before it is whole", async () => {
    await cached("things", "key", async (directory) => {
      await make(directory);
      expect(existsSync(join(kind(), "key"))).toBe(false);
    });
    expect(readdirSync(kind())).toEqual(["key"]);
  });

  it("leaves nothing when making it fails", async () => {
    const failing = cached("things", "key", async (directory) => {
      await make(directory);
      throw new Error("half-way");
    });
    await expect(failing).rejects.toThrow("half-way");
    expect(readdirSync(kind())).toEqual([]);
    expect(await cached("things", "key", make)).toBe(join(kind(), "key"));
  });

  it("is rid of what killed runs have left", async () => {
    const dead = sleeper();
    const start = startOf(dead.pid as number);
    const ended = new Promise((resolve) => dead.once("close", resolve));
    dead.kill("SIGKILL");
    await ended;
    leftover("key", dead.pid as number, start);
    // The number has gone to another process since.
    leftover("other", process.pid, "1");
    await cached("things", "key", make);
    expect(readdirSync(kind())).toEqual(["key"]);
  });

  it("does not mind that a child of a killed run writes on, and is rid of it later", async () => {
    const folder = leftover("key", process.pid, "1");
    // Faster than a folder can be emptied, in many more files than a look at it takes.
    const writing = 'i=$1; while :; do i=$((i + 8)); : >"$0/$i" || exit; done';
    for (let number = 0; number < 8; number++)
      children.push(spawn("sh", ["-c", writing, folder, `${number}`], { stdio: "ignore" }));
    await vi.waitFor(() => expect(readdirSync(folder).length).toBeGreaterThan(1000), 60_000);
    expect(await cached("things", "key", make)).toBe(join(kind(), "key"));
    const ended = children.splice(0).map((child) => {
      child.kill("SIGKILL");
      return child.exitCode ?? child.signalCode ?? new Promise((resolve) => child.once("close", resolve));
    });
    await Promise.all(ended);
    await cached("things", "another", make);
    expect(readdirSync(kind()).sort()).toEqual(["another", "key"]);
  });

  it("waits for a run that is making the same, and takes over if that one dies", async () => {
    const other = sleeper();
    leftover("key", other.pid as number, startOf(other.pid as number));
    leftover("unrelated", other.pid as number, startOf(other.pid as number));
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    const maker = vi.fn(make);
    const waiting = cached("things", "key", maker);
    await vi.waitFor(() =>
      expect(said).toHaveBeenCalledWith(expect.stringContaining("waiting for another run")),
    );
    expect(maker).not.toHaveBeenCalled();
    other.kill("SIGKILL");
    await waiting;
    expect(maker).toHaveBeenCalledTimes(1);
    expect(said).toHaveBeenCalledTimes(1);
    said.mockRestore();
  });

  it("takes what a run that it waited for has made", async () => {
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    const makers = [vi.fn(make), vi.fn(make)] as const;
    const directories = await Promise.all(makers.map((maker) => cached("things", "key", maker)));
    expect(new Set(directories)).toEqual(new Set([join(kind(), "key")]));
    expect(makers.map((maker) => maker.mock.calls.length)).toEqual([1, 0]);
    said.mockRestore();
  });
});

describe("a version of Go", () => {
  it.each([
    ["go1.26.8", "1.26.8", true],
    ["go1.26.10", "1.26.8", true],
    ["go1.26.7", "1.26.8", false],
    ["go1.26", "1.26.8", false],
    ["go1.27.0", "1.26.8", false],
    ["go1.2.8", "1.26.8", false],
    ["", "1.26.8", false],
  ])("%j does in place of %s: %s", (found, pinned, expected) => {
    expect(canReplace(found, pinned)).toBe(expected);
  });
});

describe("the source of Go modules", () => {
  it.each([
    ["", "https://proxy.golang.org"],
    ["direct", "https://proxy.golang.org"],
    ["https://modules.example.com/", "https://modules.example.com"],
    ["off,http://first.example.com|https://second.example.com,direct", "http://first.example.com"],
  ])("with GOPROXY=%s is %s", (setting, proxy) => {
    expect(goProxy(setting)).toBe(proxy);
  });
});

describe("the official release", () => {
  let server: Server;
  let archive: Buffer;
  let sha256: string;
  const requested: string[] = [];

  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), "wiab-release-"));
    mkdirSync(join(directory, "pulumi"));
    writeFileSync(join(directory, "pulumi", "pulumi"), "#!/bin/sh\necho v0\n", { mode: 0o755 });
    archive = execFileSync("tar", ["-cz", "-C", directory, "pulumi"]);
    sha256 = createHash("sha256").update(archive).digest("hex");
    rmSync(directory, { recursive: true });
    server = createServer((request, response) => {
      requested.push(request.url ?? "");
      if (request.url === "/release.tar.gz") response.end(archive);
      else if (request.url === "/tampered.tar.gz") response.end(Buffer.concat([archive, Buffer.from("!")]));
      else response.writeHead(404).end("not here");
    });
    await listen(server);
  });
  afterAll(() => stop(server));
  beforeEach(() => {
    requested.length = 0;
    mkdirSync(home());
  });

  const home = () => join(root, "home");
  const url = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const install = (...paths: string[]) => installOfficial(home(), { urls: paths.map(url), sha256 });

  it("is unpacked, and its archive thrown away", async () => {
    await install("/release.tar.gz");
    expect(readdirSync(home())).toEqual(["bin"]);
    expect(execFileSync(join(home(), "bin", "pulumi"), { encoding: "utf8" })).toBe("v0\n");
  });

  it("is refused with another checksum than the pinned one, and thrown away", async () => {
    await expect(install("/tampered.tar.gz")).rejects.toThrow(
      new RegExp(`tampered.tar.gz has checksum [0-9a-f]{64}, expected ${sha256}`),
    );
    expect(readdirSync(home())).toEqual([]);
  });

  it("is taken from the first place that has it", async () => {
    await install("/missing.tar.gz", "/tampered.tar.gz", "/release.tar.gz", "/never-asked.tar.gz");
    expect(requested).toEqual(["/missing.tar.gz", "/tampered.tar.gz", "/release.tar.gz"]);
    expect(readdirSync(home())).toEqual(["bin"]);
  });

  it("is missed with the reason of each place that was tried", async () => {
    const failure: Error = await install("/missing.tar.gz", "/tampered.tar.gz").catch((error) => error);
    expect(failure.message).toContain(`cannot fetch ${url("/missing.tar.gz")}: it answers 404`);
    expect(failure.message).toContain("tampered.tar.gz has checksum");
    expect(existsSync(join(home(), "bin"))).toBe(false);
  });
});
