import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { waitUntil } from "../../toolchain/commands";
import { type Ended, Namespace } from "../acceptance/verify/namespace";
import {
  dockerArchive,
  type ImageArchive,
  imageFile,
  ociArchive,
  packTar,
  sha256,
} from "../fixtures/archives";
import { debianSystem } from "../fixtures/machine";
import { makeWireArtifact } from "../fixtures/wire-artifact";

// The script as people run it, against a real registry with TLS and credentials in a network namespace.

const registry = "127.0.0.1:5443";
const script = "load-and-push-images.sh";
let host: Namespace;
let root: string;
let server: ChildProcess;
let log: string;

/** The user `push` with the password `right-password`; docker-registry knows bcrypt alone. */
const users = "push:$2y$05$ROJfYP1r9XpIUVo7n2zTgOSu48sZIaAgkTCLRaTGrUXATVUFIThKW";

beforeAll(() => {
  host = new Namespace("host");
});
afterAll(() => host.remove());

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "wiab-push-"));
  for (const folder of ["bundle", "certificates", "programs", "tmp"]) mkdirSync(join(root, folder));
  copyFileSync(join("components/artifact/registry", script), join(root, "bundle", script));
  writeFileSync(join(root, "users"), `${users}\n`);
  const names = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"];
  const key = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    join(root, "key.pem"),
  ];
  const certificate = join(root, "certificates", "ca.crt");
  execFileSync("openssl", ["req", "-x509", "-days", "2", ...names, ...key, "-out", certificate], {
    stdio: "ignore",
  });
  const configuration = {
    version: "0.1",
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(root, "registry") } },
    http: { addr: registry, tls: { certificate, key: join(root, "key.pem") } },
    auth: { htpasswd: { realm: "registry", path: join(root, "users") } },
  };
  writeFileSync(join(root, "registry.yml"), JSON.stringify(configuration));
  credentials("right-password");
  log = "";
  server = spawn(
    "ip",
    [
      "netns",
      "exec",
      host.name,
      join(await debianSystem(), "usr/bin/docker-registry"),
      "serve",
      join(root, "registry.yml"),
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  for (const stream of [server.stdout, server.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
  await waitUntil(
    "the registry answers",
    20,
    async () => (await host.pipe("", "curl", "-sk", `https://${registry}/v2/`)).code === 0,
    async () => log,
  );
});
afterEach(async () => {
  const ended = new Promise((resolve) => server.on("close", resolve));
  // What has ended already, because it could not begin, says so no more.
  if (server.kill("SIGKILL")) await ended;
  rmSync(root, { recursive: true });
});

/** Writes the file that `skopeo login` would. */
function credentials(password: string): void {
  const auth = Buffer.from(`push:${password}`).toString("base64");
  writeFileSync(join(root, "auth.json"), JSON.stringify({ auths: { [registry]: { auth } } }), {
    mode: 0o600,
  });
}

const credentialOptions = () => [
  "--authfile",
  join(root, "auth.json"),
  "--cert-dir",
  join(root, "certificates"),
];

/** The environment of a run: with stand-ins for programs first, and a folder of its own for temporary files. */
const environment = () => [
  "env",
  `PATH=${join(root, "programs")}:${process.env.PATH}`,
  `TMPDIR=${join(root, "tmp")}`,
  `HOME=${root}`,
];

const call = (...args: string[]): Promise<Ended> =>
  host.pipe("", ...environment(), "bash", join(root, "bundle", script), ...args);

/** Runs the script with right credentials; nothing may stay behind. */
async function push(...options: string[]): Promise<Ended> {
  const ended = await call(...credentialOptions(), ...options, registry);
  expect(readdirSync(join(root, "tmp"))).toEqual([]);
  return ended;
}

const indexOf = (names: readonly string[]) => names.map((name) => `${name}\n`).join("");

/** Puts images into the bundle: as an archive, or as that archive unpacked. */
async function bundle(
  set: string,
  images: readonly ImageArchive[],
  { unpacked = false, name = (image: ImageArchive) => imageFile(image.reference) } = {},
): Promise<void> {
  const entries = images.map((image) => [name(image), image.bytes] as const);
  const files = [...entries, ["index.txt", indexOf(entries.map(([file]) => file))] as const];
  const folder = join(root, "bundle", set);
  if (unpacked) {
    mkdirSync(folder);
    for (const [file, bytes] of files) writeFileSync(join(folder, file), bytes);
  } else
    writeFileSync(`${folder}.tar`, await packTar(files.map(([file, bytes]) => [`${set}/${file}`, bytes])));
}

/** What the registry has under a name: the id of the image and the digest of its manifest. */
async function inRegistry(name: string): Promise<{ id?: string; digest?: string }> {
  const { code, stdout } = await host.pipe(
    "",
    ...["skopeo", "inspect", "--raw", ...credentialOptions(), `docker://${registry}/${name}`],
  );
  return code === 0 ? { id: JSON.parse(stdout).config?.digest, digest: `sha256:${sha256(stdout)}` } : {};
}

/** Requests since it was asked last that bring something to the registry. */
function uploads(): string[] {
  const lines = log.split("\n").filter((line) => /"(POST|PUT|PATCH) /.test(line));
  log = "";
  return lines;
}

/** Puts a stand-in before skopeo, which is `real` in it. */
function standIn(body: string): void {
  const file = join(root, "programs", "skopeo");
  writeFileSync(
    file,
    `#!/bin/bash\nreal=${execFileSync("which", ["skopeo"], { encoding: "utf8" })}\n${body}\n`,
  );
  chmodSync(file, 0o755);
}

const lines = (text: string) => text.trimEnd().split("\n").sort();

describe("load-and-push-images.sh", () => {
  it("leaves out what it is told to, damaged or missing as it may be", async () => {
    const pause = await dockerArchive("registry.k8s.io/pause:3.10.1");
    const broken = { ...(await dockerArchive("quay.io/wire/brig:5.32.0")), bytes: Buffer.from("no tar") };
    await bundle("containers-system", [pause]);
    await bundle("containers-helm", [broken]);
    const list = join(root, "left-out");
    writeFileSync(list, `containers-helm/${imageFile(broken.reference)}\n`);

    expect(await push()).toMatchObject({ code: 1 });
    const ended = await push("--without", list);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain("1 images: 0 pushed (0 MB), 1 there already, 0 failed");
  });

  it("puts every image where a mirror has it, and leaves what is there", async () => {
    const pause = await dockerArchive("registry.k8s.io/pause:3.10.1");
    const coredns = await dockerArchive("registry.k8s.io/coredns/coredns:v1.14.2");
    const redis = await dockerArchive("redis:7.0");
    const brig = await dockerArchive("quay.io:443/wire/brig:5.32.0");
    await bundle("containers-system", [pause, coredns]);
    await bundle("containers-helm", [redis, brig]);

    const first = await push();
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(lines(first.stdout)).toEqual([
      "4 images: 4 pushed (0 MB), 0 there already, 0 failed",
      `pushed         ${registry}/coredns/coredns:v1.14.2 (0 MB)`,
      `pushed         ${registry}/library/redis:7.0 (0 MB)`,
      `pushed         ${registry}/pause:3.10.1 (0 MB)`,
      `pushed         ${registry}/wire/brig:5.32.0 (0 MB)`,
    ]);
    expect((await inRegistry("pause:3.10.1")).id).toBe(pause.id);
    expect((await inRegistry("coredns/coredns:v1.14.2")).id).toBe(coredns.id);
    expect((await inRegistry("library/redis:7.0")).id).toBe(redis.id);
    expect((await inRegistry("wire/brig:5.32.0")).id).toBe(brig.id);
    expect(uploads()).not.toEqual([]);

    const second = await push();
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout).toContain(`there already  ${registry}/pause:3.10.1\n`);
    expect(second.stdout).toContain("4 images: 0 pushed (0 MB), 4 there already, 0 failed");
    expect(uploads()).toEqual([]);
  });

  it("does the same with archives that are unpacked, wherever they are", async () => {
    const pause = await dockerArchive("registry.k8s.io/pause:3.10.1");
    await bundle("containers-system", [pause], { unpacked: true });
    // Nothing is done twice if the archive lies there too.
    await bundle("containers-system", [pause]);
    const elsewhere = join(root, "else:where");
    execFileSync("mv", [join(root, "bundle"), elsewhere]);
    mkdirSync(join(root, "bundle"));
    copyFileSync(join("components/artifact/registry", script), join(root, "bundle", script));

    expect((await push("--directory", elsewhere)).stdout).toContain("1 images: 1 pushed");
    expect((await inRegistry("pause:3.10.1")).id).toBe(pause.id);
  });

  it("takes Wire's artifact as it is unpacked", async () => {
    const { path } = await makeWireArtifact(root);
    execFileSync("tar", ["-xzf", path, "-C", join(root, "bundle"), "--wildcards", "containers-*"]);
    expect(readdirSync(join(root, "bundle"))).toContain("containers-helm.tar");
    const ended = await push();
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain("7 images: 7 pushed");
    // The one that is packed with gzip, and one whose file is named after a digest too.
    const operator = await dockerArchive("quay.io/wire/wire-server-deploy:jq1n5k");
    expect((await inRegistry("wire/wire-server-deploy:jq1n5k")).id).toBe(operator.id);
    expect((await inRegistry("cert/job:1")).id).toBe((await dockerArchive("ghcr.io/cert/job:1")).id);
  });

  it.each([
    ["for one architecture", false],
    ["a list of them", true],
  ])("keeps the digest of an image that is known by it, %s", async (_, list) => {
    const job = await ociArchive("registry.k8s.io/ingress-nginx/job", { list });
    // A tag beside a digest says nothing; a registry's client takes only one of them.
    const tagged = await ociArchive("registry.k8s.io/ingress-nginx/tagged:v1", { list });
    await bundle("containers-helm", [job, tagged]);
    const digest = job.reference.slice(job.reference.indexOf("@") + 1);

    expect(await push()).toMatchObject({ code: 0, stderr: "" });
    expect(await inRegistry(`ingress-nginx/job@${digest}`)).toEqual({
      id: list ? undefined : job.id,
      digest,
    });
    expect(
      await inRegistry(tagged.reference.slice("registry.k8s.io/".length).replace(":v1@", "@")),
    ).toHaveProperty("digest");
    uploads();
    expect((await push()).stdout).toContain("2 images: 0 pushed (0 MB), 2 there already");
    expect(uploads()).toEqual([]);
  });

  it("replaces another image under the same name", async () => {
    await bundle("containers-helm", [await dockerArchive("quay.io/wire/brig:5.32.0", "old")], {
      unpacked: true,
    });
    await push();
    const brig = await dockerArchive("quay.io/wire/brig:5.32.0", "new");
    writeFileSync(join(root, "bundle", "containers-helm", imageFile(brig.reference)), brig.bytes);

    expect((await push()).stdout).toContain("1 images: 1 pushed");
    expect((await inRegistry("wire/brig:5.32.0")).id).toBe(brig.id);
  });

  it("goes on after it was killed", async () => {
    const references = ["a", "b", "c", "d"].map((name) => `quay.io/wire/${name}:1`);
    await bundle(
      "containers-helm",
      await Promise.all(references.map((reference) => dockerArchive(reference))),
    );
    // The third push does not come to an end.
    standIn(`
      if [ "$1" = copy ]; then
        echo >>${root}/copies
        if [ "$(wc -l <${root}/copies)" = 3 ]; then
          echo $$ >${root}/hangs
          exec sleep 600
        fi
      fi
      exec $real "$@"`);
    const args = ["netns", "exec", host.name, ...environment()];
    const command = ["bash", join(root, "bundle", script), ...credentialOptions(), "--jobs", "1", registry];
    const killed = spawn("ip", [...args, ...command], { stdio: "ignore" });
    const ended = new Promise((resolve) => killed.on("exit", resolve));
    await waitUntil("the third push", 30, async () => existsSync(join(root, "hangs")));
    killed.kill("SIGKILL");
    await ended;
    process.kill(Number(readFileSync(join(root, "hangs"), "utf8")), "SIGKILL");
    // An image that was unpacked is still there; the next run takes it away, which `push` sees.
    expect(readdirSync(join(root, "tmp"))).toHaveLength(1);

    expect((await push()).stdout).toContain("4 images: 2 pushed (0 MB), 2 there already, 0 failed");
    for (const name of ["a", "b", "c", "d"]) expect(await inRegistry(`wire/${name}:1`)).toHaveProperty("id");
  });

  it("ends what it has started when it is told to stop", async () => {
    await bundle("containers-helm", [await dockerArchive("quay.io/wire/brig:1")]);
    standIn(`[ "$1" != copy ] || { echo $$ >${root}/hangs; exec sleep 600; }\nexec $real "$@"`);
    const args = ["netns", "exec", host.name, ...environment()];
    const command = ["bash", join(root, "bundle", script), ...credentialOptions(), registry];
    const stopped = spawn("ip", [...args, ...command], { stdio: "ignore" });
    const ended = new Promise((resolve) => stopped.on("exit", resolve));
    const pid = () => Number(readFileSync(join(root, "hangs"), "utf8"));
    await waitUntil("the push", 30, async () => existsSync(join(root, "hangs")) && pid() > 0);
    stopped.kill("SIGTERM");
    expect(await ended).toBe(143);
    expect(readdirSync(join(root, "tmp"))).toEqual([]);
    await waitUntil("the end of the push", 10, async () => !existsSync(`/proc/${pid()}`));
  });

  it("tries again when a push fails for a moment", async () => {
    await bundle("containers-helm", [await dockerArchive("quay.io/wire/brig:1")]);
    standIn(`
      if [ "$1" = copy ] && [ ! -e ${root}/failed ]; then
        touch ${root}/failed
        echo 'time="now" level=fatal msg="writing blob: received unexpected HTTP status: 503"' >&2
        exit 1
      fi
      exec $real "$@"`);
    expect(await push()).toMatchObject({ code: 0, stderr: "" });
    expect(await inRegistry("wire/brig:1")).toHaveProperty("id");
  });

  it("names each image that it could not push, after trying the others", async () => {
    const good = await dockerArchive("quay.io/wire/good:1");
    const gone = { ...good, reference: "quay.io/wire/gone:1" };
    const cut = await dockerArchive("quay.io/wire/cut:1");
    const empty = { ...good, reference: "quay.io/wire/empty:1", bytes: await packTar([["file", "x"]]) };
    // It says what it is, but a part of it is missing.
    const description = [
      { Config: `${"0".repeat(64)}.json`, RepoTags: ["quay.io/wire/hollow:1"], Layers: ["x.tar"] },
    ];
    const hollow = {
      ...good,
      reference: "quay.io/wire/hollow:1",
      bytes: await packTar([["manifest.json", JSON.stringify(description)]]),
    };
    await bundle("containers-helm", [gone, cut, empty, hollow, good], { unpacked: true });
    const folder = join(root, "bundle", "containers-helm");
    rmSync(join(folder, imageFile(gone.reference)));
    truncateSync(join(folder, imageFile(cut.reference)), 600);

    const ended = await push();
    expect(ended.code).toBe(1);
    expect(lines(ended.stderr)).toEqual([
      expect.stringMatching(
        `^FAILED         ${registry}/wire/hollow:1 from containers-helm/quay.io_wire_hollow_1.tar: .`,
      ),
      ...["cut", "empty", "gone"].map((name) =>
        expect.stringMatching(
          `^FAILED         containers-helm/quay.io_wire_${name}_1.tar is missing, damaged, or no archive`,
        ),
      ),
    ]);
    expect(ended.stdout).toContain("5 images: 1 pushed (0 MB), 0 there already, 4 failed");
    expect((await inRegistry("wire/good:1")).id).toBe(good.id);
  });

  it("names an archive that is damaged, or a file in its index that cannot be", async () => {
    await bundle("containers-helm", [await dockerArchive("quay.io/wire/brig:1")]);
    truncateSync(join(root, "bundle", "containers-helm.tar"), 700);
    expect(await push()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("containers-helm.tar is damaged, or no archive of images"),
    });

    rmSync(join(root, "bundle", "containers-helm.tar"));
    expect(await push()).toMatchObject({ code: 1, stderr: expect.stringContaining("has no images") });

    await bundle("containers-helm", [await dockerArchive("quay.io/wire/brig:1")], {
      name: () => "../x.tar",
      unpacked: true,
    });
    expect(await push()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("names an image file ../x.tar, which is no plain file name"),
    });
  });

  it("refuses two images that would have the same name, unless they are the same", async () => {
    await bundle("containers-system", [await dockerArchive("docker.io/library/nginx:1", "one")]);
    await bundle("containers-helm", [await dockerArchive("quay.io/library/nginx:1", "another")]);
    const refused = await push();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      "quay.io/library/nginx:1 and docker.io/library/nginx:1 are different images, and both would become " +
        `${registry}/library/nginx:1; nothing was pushed`,
    );
    expect(uploads()).toEqual([]);

    await bundle("containers-helm", [await dockerArchive("quay.io/library/nginx:1", "one")]);
    expect((await push()).stdout).toContain("1 images: 1 pushed");
  });

  it("says what is wrong with the registry, once, and before it begins", async () => {
    await bundle("containers-helm", [
      await dockerArchive("quay.io/wire/a:1"),
      await dockerArchive("quay.io/wire/b:1"),
    ]);
    credentials("wrong-password");
    const refused = await call(...credentialOptions(), registry);
    expect(refused.code).toBe(1);
    expect(lines(refused.stderr)).toEqual([
      expect.stringMatching(`^error: ${registry} refuses the credentials: renew them with skopeo login`),
    ]);

    const untrusted = await call("--authfile", join(root, "auth.json"), registry);
    expect(lines(untrusted.stderr)).toEqual([
      expect.stringMatching(
        `^error: the certificate of ${registry} is not trusted: give the folder .* with --cert-dir`,
      ),
    ]);

    const nobody = await call(...credentialOptions(), "127.0.0.1:1");
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(
      /^error: 127\.0\.0\.1:1 does not answer as a registry does: .*connection refused/,
    );
    expect(uploads()).toEqual([]);
  });

  it("says what it lacks and how it is called", async () => {
    await bundle("containers-helm", [await dockerArchive("quay.io/wire/brig:1")]);
    const bash = execFileSync("which", ["bash"], { encoding: "utf8" }).trim();
    const bare = await host.pipe("", "env", "PATH=/nowhere", bash, join(root, "bundle", script), registry);
    expect(bare).toMatchObject({
      code: 1,
      stderr: "error: skopeo is missing; install the package of that name\n",
    });

    for (const [args, message] of [
      [[], "which registry?"],
      [[registry, "other:5000"], `one registry only, not ${registry} and other:5000`],
      [["https://registry.example.com"], "https://registry.example.com is not a host with or without a port"],
      [["--jobs", "many", registry], "--jobs needs a number, not many"],
      [["--insecure", registry], "unknown option --insecure"],
      [[registry, "--authfile"], "--authfile needs a value"],
    ] as const) {
      const ended = await call(...args);
      expect(ended.code).toBe(2);
      expect(ended.stderr).toContain(`error: ${message}\n`);
      expect(ended.stderr).toContain("usage: load-and-push-images.sh");
    }
    expect(await call("--authfile", "/nowhere", registry)).toMatchObject({
      code: 1,
      stderr: "error: /nowhere, which --authfile names, does not exist or cannot be read\n",
    });
    expect(await call("--help")).toMatchObject({ code: 0, stdout: expect.stringContaining("usage:") });
  });
});
