import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseManifest } from "../../components/artifact/manifest";
import { waitUntil } from "../../toolchain/commands";
import { debianSystem } from "../fixtures/machine";
import { Builder, contentOf, Site, sh, unpack, write } from "./bundle-site";

/** A builder with the world at hand: a registry, a Helm repository and a web server, all on this machine's loopback. */
let root: string;
let site: Site;
let registry: ChildProcess;
let host: string;
let builder: Builder;
/** Digest of a list of images of two architectures. */
let pinned: string;
const at = (...path: string[]) => join(root, ...path);

const file = Buffer.alloc(300_000, "0123456789abcdef\n");
const sha256 = createHash("sha256").update(file).digest("hex");

/** A port that nobody listens on. */
const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Puts an image with one file into the registry. */
function push(name: string, architecture = "amd64"): void {
  const folder = at("image");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(folder, "file"), `${name}\n`);
  sh("tar --mtime=@0 -cf layer.tar file", folder);
  const layer = sh("sha256sum layer.tar | cut -d ' ' -f 1", folder).trim();
  const rootfs = { type: "layers", diff_ids: [`sha256:${layer}`] };
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ architecture, os: "linux", config: {}, rootfs }),
  );
  const manifest = [{ Config: "config.json", RepoTags: ["made:here"], Layers: ["layer.tar"] }];
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  sh(
    `tar -cf image config.json layer.tar manifest.json
     skopeo --insecure-policy copy --quiet --dest-tls-verify=false docker-archive:image docker://${host}/${name}`,
    folder,
  );
}

/** Puts a list of two images under a digest. @returns the digest. */
async function pushList(repository: string): Promise<string> {
  const types = {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    list: "application/vnd.docker.distribution.manifest.list.v2+json",
  };
  const manifests = [];
  for (const architecture of ["amd64", "arm64"]) {
    push(`${repository}:${architecture}`, architecture);
    const url = `http://${host}/v2/${repository}/manifests/${architecture}`;
    const bytes = Buffer.from(
      await (await fetch(url, { headers: { Accept: types.manifest } })).arrayBuffer(),
    );
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    manifests.push({
      mediaType: types.manifest,
      digest,
      size: bytes.length,
      platform: { architecture, os: "linux" },
    });
  }
  const body = JSON.stringify({ schemaVersion: 2, mediaType: types.list, manifests });
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${digest}`, {
    method: "PUT",
    headers: { "Content-Type": types.list },
    body,
  });
  expect(answer.status).toBe(201);
  return digest;
}

const pod = (image: string) => `containers: [{name: a, image: "${image}"}]`;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "wiab-bundle-"));
  const port = await freePort();
  host = `127.0.0.1:${port}`;
  write(root, {
    "registry.yml": `version: 0.1\nstorage: {filesystem: {rootdirectory: ${at("registry")}}}\nhttp: {addr: "${host}"}\n`,
  });
  registry = spawn(join(await debianSystem(), "usr/bin/docker-registry"), ["serve", at("registry.yml")], {
    stdio: "ignore",
  });
  const answers = () =>
    fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  await waitUntil("the registry answers", 20, answers);
  for (const name of [
    "team/app:1",
    "team/init:1",
    "team/hook:1",
    "team/part:1",
    "team/named:1",
    "other/app:1",
  ])
    push(name);
  pinned = await pushList("team/pinned");

  write(root, {
    "chart/Chart.yaml":
      "apiVersion: v2\nname: chart\nversion: 1.2.3\ndependencies: [{name: part, version: 0.1.0, repository: file://../part}]\n",
    "chart/templates/app.yaml": `kind: Deployment\nspec: {template: {spec: {initContainers: [{name: i, image: "${host}/team/init:1"}], ${pod("{{ .Values.image }}")}}}}\n`,
    "chart/templates/hook.yaml": `kind: Job\nmetadata: {annotations: {helm.sh/hook: pre-install}}\nspec: {template: {spec: {${pod(`${host}/team/hook:1`)}}}}\n`,
    "part/Chart.yaml": "apiVersion: v2\nname: part\nversion: 0.1.0\n",
    "part/templates/database.yaml": `kind: Database\nspec: {podTemplate: {spec: {${pod(`${host}/team/part:1`)}}}}\n`,
    "list/umbrella/Chart.yaml": "apiVersion: v2\nname: umbrella\nversion: 1.0.0\n",
    "list/values.yaml": `image: ${host}/team/app:1\n`,
  });
  builder = new Builder(root);
  for (const cache of ["cache1", "cache2"]) await builder.withHelm(cache);
  const helm = sh(`ls -d ${at("cache1")}/bundle-part/*/program`).trim();
  mkdirSync(at("site"));
  site = await new Site(at("site")).start();
  sh(
    `${helm} dependency update chart >/dev/null
     ${helm} package --destination site chart >/dev/null
     ${helm} repo index site --url ${site.url}`,
    root,
  );
  writeFileSync(at("site/file"), file);
  write(root, {
    "list/umbrella/Chart.yaml": `apiVersion: v2\nname: umbrella\nversion: 1.0.0\ndependencies: [{name: chart, version: 1.2.3, repository: "${site.url}"}]\n`,
    "list/umbrella/values.yaml": `chart: {image: "${host}/team/app:1"}\n`,
    "list/bundle.yaml": `
name: connected
binaries:
  - { name: file, version: v1, licence: MIT, url: "${site.url}/file", sha256: "${sha256}" }
images:
  - { reference: quay.io/team/renamed:1, set: system, docker: "docker://${host}/team/app:1" }
  - { reference: "${host}/team/pinned:1@${pinned}", set: system }
charts:
  - { name: chart, repository: "${site.url}", version: 1.2.3, values: [values.yaml], images: ["${host}/team/named:1"] }
  - { name: umbrella, path: umbrella }
`,
  });
}, 900_000);

afterAll(async () => {
  registry.kill();
  await site?.stop();
  rmSync(root, { recursive: true });
});

afterEach(() => {
  site.truncated.clear();
  site.stalled.clear();
});

describe("a bundle from registries and repositories", () => {
  it("has the charts with their dependencies and every image that they name", async () => {
    const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("first")]);
    expect(run).toMatchObject({ code: 0 });
    unpack(at("first"), at("unpacked"));
    const unpacked = contentOf(at("unpacked"));
    const manifest = parseManifest(readFileSync(at("first/manifest.json"), "utf8"));
    const images = manifest.files.flatMap(({ image }) => (image ? [`${image.set} ${image.reference}`] : []));
    expect(images.sort()).toEqual(
      ["app", "hook", "init", "named", "part"]
        .map((name) => `helm ${host}/team/${name}:1`)
        .concat(`system ${host}/team/pinned@${pinned}`, "system quay.io/team/renamed:1")
        .sort(),
    );
    for (const path of [
      "charts/chart/charts/part/Chart.yaml",
      "charts/umbrella/charts/chart/charts/part/Chart.yaml",
    ])
      expect(unpacked).toHaveProperty([path]);
    expect(Object.keys(unpacked).filter((path) => path.endsWith(".tgz"))).toEqual([]);
    expect(manifest.files.find(({ path }) => path === "charts/chart/Chart.yaml")).toMatchObject({
      version: "1.2.3",
      source: site.url,
    });
    expect(readFileSync(at("unpacked/binaries/file"))).toEqual(file);
  }, 120_000);

  it("has images by the references that they were asked for", () => {
    const archive = at("unpacked/containers-system/quay.io_team_renamed_1.tar");
    const [image] = JSON.parse(sh(`tar -xOf ${archive} manifest.json`));
    expect(image.RepoTags).toEqual(["quay.io/team/renamed:1"]);
    expect(sh(`tar -xOf ${archive} ${image.Layers[0]} | tar -xO file`)).toBe("team/app:1\n");
  });

  it("keeps a digest: what is pushed from the bundle has it again", async () => {
    const { image } = parseManifest(readFileSync(at("first/manifest.json"), "utf8")).files.find(({ name }) =>
      name?.includes("@"),
    ) as { image?: { format: string; id: string } };
    expect(image?.format).toBe("oci-archive");
    const name = `${host.replace(":", "_")}_team_pinned_${pinned.replace(":", "_")}.tar`;
    const archive = at("unpacked/containers-system", name);
    expect(JSON.parse(sh(`tar -xOf ${archive} index.json`)).manifests).toMatchObject([
      { digest: pinned, annotations: { "io.containerd.image.name": `${host}/team/pinned@${pinned}` } },
    ]);
    sh(
      `skopeo --insecure-policy copy --quiet --all --preserve-digests --dest-tls-verify=false oci-archive:${archive} docker://${host}/mirror/pinned:copy`,
    );
    const answer = await fetch(`http://${host}/v2/mirror/pinned/manifests/${pinned}`, {
      headers: { Accept: "application/vnd.docker.distribution.manifest.list.v2+json" },
    });
    expect(answer.status).toBe(200);
    const inspect = `skopeo inspect --config --raw --override-arch amd64 --tls-verify=false docker://${host}/mirror/pinned:copy`;
    expect(image?.id).toBe(`sha256:${sh(`${inspect} | sha256sum | cut -d ' ' -f 1`).trim()}`);
  });

  it("has the same bytes from another empty cache, and asks nobody when all is there", async () => {
    const other = await builder.run("cache2", [at("list/bundle.yaml"), "-o", at("second")]);
    expect(other.code).toBe(0);
    expect(contentOf(at("second"))).toEqual(contentOf(at("first")));
    const before = site.requests.length;
    registry.kill("SIGSTOP");
    try {
      const again = await builder.run("cache2", [at("list/bundle.yaml"), "-o", at("third")]);
      expect(again.code).toBe(0);
    } finally {
      registry.kill("SIGCONT");
    }
    expect(site.requests.length).toBe(before);
    expect(contentOf(at("third"))).toEqual(contentOf(at("first")));
  }, 120_000);
});

describe("a download", () => {
  const list = (name: string, sum = sha256) => {
    write(root, {
      [`list/${name}.yaml`]: `name: url\nbinaries: [{ name: file, version: v1, licence: MIT, url: "${site.url}/file", sha256: "${sum}" }]\n`,
    });
    return at(`list/${name}.yaml`);
  };
  const asked = (before: number) =>
    site.requests.slice(before).filter((request) => request.startsWith("/file"));

  it("goes on where it broke off", async () => {
    site.truncated.set("/file", 100_000);
    const before = site.requests.length;
    const run = await builder.run("cache-truncated", [list("truncated"), "-o", at("truncated")]);
    expect(run.code).toBe(0);
    expect(asked(before)).toEqual(["/file", "/file from 100000"]);
    unpack(at("truncated"), at("unpacked-url"));
    expect(readFileSync(at("unpacked-url/binaries/file"))).toEqual(file);
  });

  it("goes on where a killed builder stopped", async () => {
    const partial = at("cache-killed/bundle-download", sha256);
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, "file"), file.subarray(0, 200_000));
    const before = site.requests.length;
    const run = await builder.run("cache-killed", [list("killed"), "-o", at("killed")]);
    expect(run.code).toBe(0);
    expect(asked(before)).toEqual(["/file from 200000"]);
    expect(existsSync(partial)).toBe(false);
  });

  it.each([
    ["of another file", Buffer.from("something else\n")],
    ["that are all there are, and wrong", Buffer.alloc(file.length, "x")],
    ["that are all there are", file],
  ])("makes the best of bytes %s", async (name, bytes) => {
    const cache = `cache-${name.length}`;
    const partial = at(cache, "bundle-download", sha256);
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, "file"), bytes);
    const run = await builder.run(cache, [list("best"), "-o", at(`best-${name.length}`)]);
    expect(run.code).toBe(0);
  });

  it("of another file than the list pins is refused", async () => {
    const run = await builder.run("cache-wrong", [list("wrong", "0".repeat(64)), "-o", at("wrong")]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(
      `binaries[0] (file): ${site.url}/file has checksum ${sha256}, expected ${"0".repeat(64)}`,
    );
    expect(existsSync(at("wrong"))).toBe(false);
  });
});

describe("what cannot be had", () => {
  it("is named with its place, all of it, and the rest is kept", async () => {
    write(root, {
      "list/missing.yaml": `
name: missing
binaries:
  - { name: none, version: v1, licence: MIT, url: "${site.url}/none", sha256: "${sha256}" }
  - { name: file, version: v1, licence: MIT, url: "${site.url}/file", sha256: "${sha256}" }
images: [{ reference: "${host}/team/none:1", set: helm }]
charts: [{ name: none, repository: "${site.url}", version: 9.9.9 }]
`,
    });
    await builder.withHelm("cache-missing");
    const run = await builder.run("cache-missing", [at("list/missing.yaml"), "-o", at("missing")]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/binaries\[0\] \(none\): cannot fetch \S+\/none: .*404/);
    expect(run.stderr).toMatch(/images\[0\] \(\S+team\/none:1\): [\s\S]*manifest unknown/);
    expect(run.stderr).toMatch(/charts\[0\] \(chart none\): [\s\S]*not found/);
    expect(run.stderr).toContain("the same command goes on from here");
    expect(existsSync(at("missing"))).toBe(false);
    const before = site.requests.length;
    await builder.run("cache-missing", [at("list/missing.yaml"), "-o", at("missing")]);
    expect(site.requests.slice(before)).not.toContain("/file");
  });

  it("are images that a mirror could not tell apart", async () => {
    write(root, {
      "list/ambiguous.yaml": `
name: ambiguous
images:
  - { reference: quay.io/same/app:1, set: helm, docker: "docker://${host}/team/app:1" }
  - { reference: example.com/same/app:1, set: helm, docker: "docker://${host}/other/app:1" }
`,
    });
    const run = await builder.run("cache1", [at("list/ambiguous.yaml"), "-o", at("ambiguous")]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("example.com/same/app:1 and quay.io/same/app:1 are different images");
    expect(existsSync(at("ambiguous"))).toBe(false);
  });
});
