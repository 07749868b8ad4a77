import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactManifest } from "../../components/artifact/manifest";
import { planArtifact } from "../../components/artifact/plan";
import { readWireArtifact } from "../../components/artifact/reader/wire";
import { storeParameters } from "../../components/artifact/store/store";
import type { Ended } from "../acceptance/verify/namespace";
import { packTar, sha256 } from "../fixtures/archives";
import { listen, stop } from "../fixtures/http-server";
import { ended, type HostRun, kill, onHost, scriptInput, until } from "../fixtures/machine";
import { makeWireArtifact } from "../fixtures/wire-artifact";

// The script that unpacks artifacts on the host, with real archives in a temporary folder, from a path and from
// a web server of the test's own.

/** An archive by its files, in a folder of its name as a bundle has them. */
type Content = Readonly<Record<string, string>>;

let root: string;
let source: string;
let store: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-store-"));
  source = join(root, "source");
  store = join(root, "store");
  mkdirSync(source);
  mkdirSync(join(root, "programs"));
});
afterEach(() => rmSync(root, { recursive: true }));

const filler = (name: string, bytes = 300_000) => Buffer.alloc(bytes, `${name}\n`).toString();
const binaries: Content = { "binaries/kubelet": filler("kubelet"), "binaries/crictl": filler("crictl") };
const images: Content = {
  "containers-system/index.txt": "registry.k8s.io_pause_3.10.tar\n",
  "containers-system/registry.k8s.io_pause_3.10.tar": filler("pause"),
  // The same in two archives.
  "containers-system/tool": filler("crictl"),
};

/** Writes archives into the source and gives their manifest; `actual` is what they really carry. */
async function bundle(
  archives: Readonly<Record<string, Content>>,
  actual: Readonly<Record<string, Content>> = archives,
): Promise<ArtifactManifest> {
  const described = [];
  for (const name of Object.keys(archives)) {
    const bytes = await packTar(Object.entries(actual[name] ?? {}));
    writeFileSync(join(source, name), bytes);
    described.push({ name, sha256: sha256(bytes), size: bytes.length });
  }
  return {
    format: 1,
    name: "test",
    layout: "bundle",
    archives: described,
    apt: [],
    files: Object.entries(archives).flatMap(([archive, content]) =>
      Object.entries(content).map(([path, text]) => ({
        ...{ path, archive, kind: "other" as const },
        ...{ sha256: sha256(text), size: Buffer.byteLength(text) },
      })),
    ),
  };
}

const parameters = (manifest: ArtifactManifest, location = source) =>
  storeParameters({ path: store, archives: planArtifact([{ manifest, location }]).archives });

const start = (options: HostRun = {}) => onHost({ programs: join(root, "programs"), ...options });
const run = (given: ReturnType<typeof parameters>, options?: HostRun): Promise<Ended> =>
  ended(start(options), scriptInput("components/artifact/store/store.sh", given));

/** Makes a program that stands before the real one of its name. */
function standIn(name: string, body: string): void {
  writeFileSync(join(root, "programs", name), `#!/bin/bash\n${body}\n`);
  chmodSync(join(root, "programs", name), 0o755);
}

/** All files below the store with number, size and time of change. */
const stored = () =>
  Object.fromEntries(
    (existsSync(store) ? readdirSync(store, { recursive: true, withFileTypes: true }) : [])
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(store.length + 1), statSync(file)] as const)
      .map(([file, { ino, size, mtimeMs }]) => [file, { ino, size, mtimeMs }]),
  );
const unpacked = () =>
  existsSync(join(store, "archives")) ? readdirSync(join(store, "archives")).sort() : [];

/** That the store has everything that the manifest lists, and nothing else. */
function expectWhole(manifest: ArtifactManifest): void {
  expect(readdirSync(store).sort()).toEqual(["archives", "files", "lock"]);
  expect(unpacked()).toEqual(manifest.archives.map((archive) => archive.sha256).sort());
  expect(readdirSync(join(store, "files")).sort()).toEqual(
    [...new Set(manifest.files.map((file) => file.sha256))].sort(),
  );
  const folder = new Map(manifest.archives.map((archive) => [archive.name, archive.sha256]));
  for (const file of manifest.files) {
    const paths = [join("files", file.sha256), join("archives", folder.get(file.archive) ?? "", file.path)];
    for (const path of paths) {
      const full = join(store, path);
      expect([path, sha256(readFileSync(full)), statSync(full).nlink > 1]).toEqual([path, file.sha256, true]);
    }
  }
}

const succeeded = { code: 0, stderr: "" };

describe("an artifact in a folder of the host", () => {
  it("is unpacked, and not read again", async () => {
    const manifest = await bundle({ "binaries.tar": binaries, "containers-system.tar": images });
    const first = await run(parameters(manifest));
    expect(first).toMatchObject(succeeded);
    expect(first.stdout).toContain("binaries.tar: 2 files, all as the manifest says");
    expectWhole(manifest);

    const before = stored();
    rmSync(source, { recursive: true });
    expect(await run(parameters(manifest))).toEqual({ ...succeeded, stdout: "" });
    expect(stored()).toEqual(before);
  });

  it("may be one of Wire's, with archives, links and spaces in it", async () => {
    const { path } = await makeWireArtifact(source);
    const manifest = await readWireArtifact(path);
    expect(manifest.files.map((file) => file.path)).toContain("dashboards/k8s%20_%20nodes.json");
    expect(await run(parameters(manifest))).toMatchObject(succeeded);
    expect(unpacked()).toEqual(manifest.archives.map((archive) => archive.sha256));
    for (const file of manifest.files) {
      const content = readFileSync(join(store, "files", file.sha256));
      expect([file.path, sha256(content)]).toEqual([file.path, file.sha256]);
    }
    // A link would lead nowhere from another folder.
    for (const entry of readdirSync(join(store, "files"), { withFileTypes: true }))
      expect(entry.isFile()).toBe(true);
    expect(await run(parameters(manifest))).toEqual({ ...succeeded, stdout: "" });
  });

  it("is taken again where an archive has changed, and there alone", async () => {
    const before = await bundle({ "binaries.tar": binaries, "containers-system.tar": images });
    expect(await run(parameters(before))).toMatchObject(succeeded);
    const files = stored();

    const changed = { "binaries/kubelet": filler("newer"), "binaries/crictl": filler("crictl") };
    const after = await bundle({ "binaries.tar": changed, "containers-system.tar": images });
    rmSync(join(source, "containers-system.tar"));
    const second = await run(parameters(after));
    expect(second).toMatchObject(succeeded);
    expect(second.stdout).not.toContain("containers-system.tar");
    expectWhole(after);
    const kept = after.archives[1]?.sha256 as string;
    const ofKept = (all: typeof files) => Object.entries(all).filter(([file]) => file.includes(kept));
    expect(ofKept(stored())).toEqual(ofKept(files));
  });

  it("keeps a file that an archive which is gone shared with another", async () => {
    const both = await bundle({ "containers-system.tar": images, "binaries.tar": binaries });
    expect(await run(parameters(both))).toMatchObject(succeeded);
    const one = await bundle({ "containers-system.tar": images });
    expect(await run(parameters(one))).toMatchObject(succeeded);
    expectWhole(one);
  });

  it("is taken away with everything that was left of it", async () => {
    const manifest = await bundle({ "binaries.tar": binaries });
    expect(await run(parameters(manifest))).toMatchObject(succeeded);
    mkdirSync(join(store, "downloads"));
    writeFileSync(join(store, "downloads", "0123.part"), "half");
    mkdirSync(join(store, "archives", "0123.unpacking"));
    // Of transfer.sh.
    writeFileSync(join(store, "lock-packages"), "");
    for (const _ of [1, 2]) {
      expect(await run(parameters(manifest), { verb: "remove" })).toMatchObject(succeeded);
      expect(existsSync(store)).toBe(false);
    }
    expect(existsSync(source)).toBe(true);
  });

  it("is taken away from a disk of its own, whose place stays", async () => {
    const manifest = await bundle({ "binaries.tar": binaries });
    mkdirSync(store);
    const setting = [`mount -t tmpfs tmpfs ${store}`, `mkdir ${store}/archives`];
    expect(await run(parameters(manifest), { verb: "remove", setting })).toMatchObject(succeeded);
    expect(existsSync(store)).toBe(true);
  });
});

describe("what is not as the manifest says", () => {
  const content = { "binaries.tar": binaries, "containers-system.tar": images };
  const archive = () => join(source, "containers-system.tar");

  /** Asserts that a run stops with the message, that the archive did not arrive and that a good one does then. */
  async function expectRefused(manifest: ArtifactManifest, message: RegExp, good = manifest): Promise<void> {
    const refused = await run(parameters(manifest));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(message);
    // The other one did, and stays.
    expect(unpacked()).toEqual([manifest.archives[0]?.sha256]);
    const before = stored();
    expect(Object.keys(before).filter((file) => file.startsWith("files/"))).toHaveLength(2);
    rmSync(source, { recursive: true });
    mkdirSync(source);
    await bundle(content);
    rmSync(join(source, "binaries.tar"));
    expect(await run(parameters(good))).toMatchObject(succeeded);
    expectWhole(good);
    expect(stored()).toMatchObject(before);
  }

  it("is an archive that is truncated", async () => {
    const manifest = await bundle(content);
    const bytes = readFileSync(archive());
    writeFileSync(archive(), bytes.subarray(0, 1000));
    await expectRefused(
      manifest,
      new RegExp(`^error: ${archive()} is truncated: it has 1000 of ${bytes.length} bytes`),
    );
  });

  it("is an archive that was altered", async () => {
    const manifest = await bundle(content);
    const bytes = readFileSync(archive());
    bytes[5000] = 0;
    writeFileSync(archive(), bytes);
    await expectRefused(
      manifest,
      new RegExp(
        `^error: ${archive()} has checksum ${sha256(bytes)}, the manifest says ${manifest.archives[1]?.sha256}: it was altered`,
      ),
    );
  });

  it("is an archive that is missing", async () => {
    const manifest = await bundle(content);
    rmSync(archive());
    await expectRefused(
      manifest,
      new RegExp(`^error: containers-system.tar is missing: ${archive()} does not exist on `),
    );
  });

  it.each([
    [
      "altered",
      { "containers-system/index.txt": "other\n" },
      "containers-system/index.txt is not what the manifest says",
    ],
    ["surplus", { "containers-system/evil": "!" }, "containers-system/evil is not in the manifest"],
  ])("is a file in an archive that is %s", async (_, difference, message) => {
    const good = await bundle(content);
    const bad = await bundle(content, { ...content, "containers-system.tar": { ...images, ...difference } });
    await expectRefused(
      bad,
      new RegExp(`^error: containers-system.tar and its manifest do not belong together:\n${message}\n$`),
      good,
    );
  });

  it("is a file that an archive lacks", async () => {
    const good = await bundle(content);
    const { "containers-system/index.txt": _, ...rest } = images;
    const bad = await bundle(content, { ...content, "containers-system.tar": rest });
    await expectRefused(bad, /containers-system\/index.txt is missing\n$/, good);
  });

  it("is an archive that is no archive", async () => {
    const good = await bundle(content);
    const page = "<html>not found</html>";
    writeFileSync(archive(), page);
    const bad = {
      ...good,
      archives: good.archives.map((each, index) =>
        index === 1 ? { ...each, sha256: sha256(page), size: page.length } : each,
      ),
    };
    await expectRefused(bad, /error: .*containers-system.tar could not be unpacked into /, good);
  });
});

describe("a full disk", () => {
  const content = { "binaries.tar": { "binaries/large": filler("large", 3_000_000) } };

  /** Runs on a small disk, says what remained there when the script had ended, then runs on one with room. */
  async function onSmallDisk(options: string, location = source) {
    const manifest = await bundle(content);
    mkdirSync(store);
    const input = scriptInput("components/artifact/store/store.sh", parameters(manifest, location));
    const small = [
      `mount -t tmpfs -o ${options} tmpfs ${store}`,
      `bash -s -- apply; code=$?; find ${store} -type f ! -name lock >&2; exit $code`,
    ];
    const refused = await ended(start({ setting: small }), input);
    expect(refused.code).toBe(1);
    expect(await run(parameters(manifest, location))).toMatchObject(succeeded);
    expectWhole(manifest);
    return refused.stderr;
  }

  it("stops before anything is unpacked", async () => {
    expect(await onSmallDisk("size=2m")).toBe(
      `error: binaries.tar takes 3 MB, and ${store} has 2 MB free (artifact.storePath)\n`,
    );
  });

  it("that becomes so meanwhile stops with nothing half-unpacked", async () => {
    const stderr = await onSmallDisk("size=20m,nr_inodes=6");
    expect(stderr).toContain("No space left on device");
    expect(stderr).toMatch(
      new RegExp(`\nerror: ${source}/binaries.tar could not be unpacked into ${store}\\S+\n$`),
    );
  });
});

describe("a run that is killed", () => {
  // Each of these programs is first called for what the archive below has, at that moment.
  it.each([
    ["unpacks", "tar", '/usr/bin/tar "$@"'],
    ["checks the files", "comm", ""],
    ["gives the first file its name", "ln", '/usr/bin/ln "$@"'],
  ])("while it %s is made good by the next one", async (_, program, before) => {
    const manifest = await bundle({ "binaries.tar": binaries, "containers-system.tar": images });
    standIn(program, `${before}\ntouch ${root}/reached\nexec sleep 100`);
    const child = start();
    child.stdin?.end(scriptInput("components/artifact/store/store.sh", parameters(manifest)));
    await until("the script is there", () => existsSync(join(root, "reached")));
    await kill(child);
    expect(unpacked()).toEqual([`${manifest.archives[0]?.sha256}.unpacking`]);

    rmSync(join(root, "programs", program));
    expect(await run(parameters(manifest))).toMatchObject(succeeded);
    expectWhole(manifest);
  });
});

describe("a run that an earlier one is in the way of", () => {
  it("waits for it and goes on with what it leaves", async () => {
    const manifest = await bundle({ "binaries.tar": binaries });
    standIn(
      "comm",
      `touch ${root}/reached\nuntil [ -e ${root}/go ]; do sleep 0.1; done\nexec /usr/bin/comm "$@"`,
    );
    const earlier = run(parameters(manifest));
    await until("it is at work", () => existsSync(join(root, "reached")));
    const child = start();
    const later = ended(child, scriptInput("components/artifact/store/store.sh", parameters(manifest)));
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    writeFileSync(join(root, "go"), "");
    expect(await earlier).toMatchObject(succeeded);
    expect(await later).toEqual({ ...succeeded, stdout: "another run is still at work; waiting for it\n" });
    expectWhole(manifest);
  });
});

describe("an artifact on a web server", () => {
  let server: Server;
  let requests: string[];
  let sent: number;
  /** Bytes of an answer after which nothing more comes. */
  let stallsAfter: number | undefined;
  let hasRanges: boolean;
  let location: string;

  beforeEach(async () => {
    requests = [];
    sent = 0;
    stallsAfter = undefined;
    hasRanges = true;
    server = createServer((request, response) => {
      requests.push(`${request.url} ${request.headers.range ?? "whole"}`);
      const file = join(source, request.url ?? "");
      if (!existsSync(file)) return void response.writeHead(404).end();
      const content = readFileSync(file);
      const first = hasRanges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
      response.writeHead(first > 0 ? 206 : 200, {
        "content-length": content.length - first,
        ...(first > 0 ? { "content-range": `bytes ${first}-${content.length - 1}/${content.length}` } : {}),
      });
      const piece = content.subarray(first, stallsAfter === undefined ? undefined : first + stallsAfter);
      sent += piece.length;
      if (stallsAfter === undefined) response.end(piece);
      else response.write(piece);
    });
    location = await listen(server);
    // As patient as the script asks for, but for a test.
    standIn("curl", 'exec /usr/bin/curl "$@" --retry-max-time 1');
  });
  afterEach(async () => {
    await stop(server);
  });

  const content = { "binaries.tar": binaries, "containers-system.tar": images };
  const sizeOf = (manifest: ArtifactManifest) => manifest.archives.reduce((sum, { size }) => sum + size, 0);

  /** Leaves half of the first archive in the store. */
  async function killDownload(manifest: ArtifactManifest): Promise<number> {
    stallsAfter = 250_000;
    const child = start();
    child.stdin?.end(scriptInput("components/artifact/store/store.sh", parameters(manifest, location)));
    const part = join(store, "downloads", `${manifest.archives[0]?.sha256}.part`);
    // curl keeps back some kilobytes.
    await until("half of it is there", () => existsSync(part) && statSync(part).size > 200_000);
    await kill(child);
    stallsAfter = undefined;
    requests = [];
    sent = 0;
    expect(unpacked()).toEqual([]);
    return statSync(part).size;
  }

  it("is fetched once", async () => {
    const manifest = await bundle(content);
    expect(await run(parameters(manifest, `${location}/`))).toMatchObject(succeeded);
    expectWhole(manifest);
    expect(requests).toEqual(["/binaries.tar whole", "/containers-system.tar whole"]);
    expect(await run(parameters(manifest, location))).toEqual({ ...succeeded, stdout: "" });
    expect(requests).toHaveLength(2);
  });

  it("is fetched from where a run was killed", async () => {
    const manifest = await bundle(content);
    const arrived = await killDownload(manifest);
    expect(await run(parameters(manifest, location))).toMatchObject(succeeded);
    expectWhole(manifest);
    expect(requests).toEqual([`/binaries.tar bytes=${arrived}-`, "/containers-system.tar whole"]);
    expect(sent).toBe(sizeOf(manifest) - arrived);
  });

  it("is fetched anew from a server that has no ranges", async () => {
    const manifest = await bundle(content);
    await killDownload(manifest);
    hasRanges = false;
    expect(await run(parameters(manifest, location))).toMatchObject({ code: 0 });
    expectWhole(manifest);
  });

  it("is not asked for again when a run was killed while it looked at what had come", async () => {
    const manifest = await bundle(content);
    mkdirSync(join(store, "downloads"), { recursive: true });
    const [first, second] = manifest.archives.map((archive) => archive.sha256);
    // With the checksum still to be found, and with it found.
    cpSync(join(source, "binaries.tar"), join(store, "downloads", `${first}.part`));
    cpSync(join(source, "containers-system.tar"), join(store, "downloads", `${second}`));
    expect(await run(parameters(manifest, location))).toMatchObject(succeeded);
    expectWhole(manifest);
    expect(requests).toEqual([]);
  });

  it("that has changed since half of it came is thrown away, and fetched whole by the next run", async () => {
    const manifest = await bundle(content);
    await killDownload(manifest);
    const good = readFileSync(join(source, "binaries.tar"));
    writeFileSync(join(source, "binaries.tar"), Buffer.alloc(good.length, "altered"));
    const refused = await run(parameters(manifest, location));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(
        `^error: ${location}/binaries.tar has checksum \\S+, the manifest says \\S+; .* thrown away\n$`,
      ),
    );
    writeFileSync(join(source, "binaries.tar"), good);
    requests = [];
    expect(await run(parameters(manifest, location))).toMatchObject(succeeded);
    expectWhole(manifest);
    expect(requests[0]).toBe("/binaries.tar whole");
  });

  it("that is missing, or whose server is gone, is named", async () => {
    const manifest = await bundle(content);
    rmSync(join(source, "containers-system.tar"));
    const missing = await run(parameters(manifest, location));
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("404");
    expect(missing.stderr).toContain(`error: fetching ${location}/containers-system.tar failed`);
    expect(unpacked()).toEqual([manifest.archives[0]?.sha256]);

    await stop(server);
    const gone = await run(parameters(manifest, location));
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain("Failed to connect");
    expect(gone.stderr).toContain(`error: fetching ${location}/containers-system.tar failed`);
  });

  it("is not fetched onto a disk that has no room for it", async () => {
    // There would be room for the archive, or for what is in it.
    const manifest = await bundle({ "binaries.tar": { "binaries/large": filler("large", 3_000_000) } });
    mkdirSync(store);
    const setting = [`mount -t tmpfs -o size=4m tmpfs ${store}`];
    const refused = await run(parameters(manifest, location), { setting });
    expect(refused).toMatchObject({
      code: 1,
      stderr: `error: binaries.tar takes 6 MB, and ${store} has 4 MB free (artifact.storePath)\n`,
    });
    expect(requests).toEqual([]);
  });

  it("leaves nothing behind of archives that are not wanted any more", async () => {
    const manifest = await bundle(content);
    await killDownload(manifest);
    const other = await bundle({ "binaries.tar": { "binaries/other": "other" } });
    expect(await run(parameters(other, location))).toMatchObject(succeeded);
    expectWhole(other);
  });
});
