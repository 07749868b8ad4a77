import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ArtifactManifest, parseManifest, renderManifest } from "../../components/artifact/manifest";
import { readArtifact } from "../../components/artifact/reader/read";
import type { Progress } from "../../components/artifact/reader/source";
import { dockerArchive, type Entry, packTar, sha256 } from "../fixtures/archives";
import { makeWireArtifact } from "../fixtures/wire-artifact";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-reader-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** What reading Wire's artifact with a changed tree says. */
async function errorOf(change: (tree: Map<string, Entry>) => void): Promise<string> {
  const { path } = await makeWireArtifact(root, change);
  return readArtifact(path).then(
    () => "no error",
    (error: Error) => error.message,
  );
}

describe("Wire's artifact", () => {
  let folder: string;
  let manifest: ArtifactManifest;
  let artifact: Awaited<ReturnType<typeof makeWireArtifact>>;
  const progress: Progress[] = [];
  const file = (path: string) => manifest.files.find((one) => one.path === path);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "wiab-reader-"));
    artifact = await makeWireArtifact(folder);
    manifest = await readArtifact(artifact.path, { onProgress: (step) => progress.push(step) });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is named after its file, which is its only archive", () => {
    expect(manifest).toMatchObject({
      name: "wire-server-deploy-static-0123456789abcdef",
      layout: "wire",
      archives: [
        {
          name: "wire-server-deploy-static-0123456789abcdef.tgz",
          sha256: artifact.sha256,
          size: artifact.size,
        },
      ],
    });
    expect(new Set(manifest.files.map(({ archive }) => archive))).toEqual(
      new Set([manifest.archives[0]?.name]),
    );
  });

  it("gives a manifest that can be written and read again", () => {
    expect(parseManifest(renderManifest(manifest))).toEqual(manifest);
  });

  it("tells of its progress up to the last byte", () => {
    expect(progress.at(-1)).toEqual({
      archive: manifest.name.concat(".tgz"),
      done: artifact.size,
      total: artifact.size,
    });
  });

  it("has the checksum and size of every file in it", () => {
    for (const [path, entry] of artifact.tree)
      if (typeof entry === "string" || Buffer.isBuffer(entry))
        expect(file(path.replaceAll(" ", "%20")), path).toMatchObject({
          sha256: sha256(entry),
          size: Buffer.byteLength(entry),
        });
  });

  it.each([
    ["kubelet", "v1.29.10", "kubelet"],
    ["kubeadm", "v1.29.10", "kubeadm"],
    ["kubectl", "v1.29.10", "kubectl"],
    ["crictl", "v1.29.0", "crictl-v1.29.0-linux-amd64.tar.gz"],
    ["containerd", "1.7.22", "containerd-1.7.22-linux-amd64.tar.gz"],
    ["nerdctl", "1.7.7", "nerdctl-1.7.7-linux-amd64.tar.gz"],
    ["runc", "v1.1.14", "runc.amd64"],
    ["etcd", "v3.5.16", "etcd-v3.5.16-linux-amd64.tar.gz"],
    ["cni-plugins", "v1.3.0", "cni-plugins-linux-amd64-v1.3.0.tgz"],
    ["calico-crds", "v3.27.4", "v3.27.4.tar.gz"],
    ["calicoctl", "v3.27.4", "calicoctl-linux-amd64"],
    ["cassandra", "3.11.19", "apache-cassandra-3.11.19-bin.tar.gz"],
    ["elasticsearch", "6.8.23", "elasticsearch-oss-6.8.23.deb"],
    ["minio", "RELEASE.2023-07-07T07-13-57Z", "minio.RELEASE.2023-07-07T07-13-57Z"],
    ["mc", "RELEASE.2023-10-24T05-18-28Z", "mc.RELEASE.2023-10-24T05-18-28Z"],
    ["jmx-prometheus-javaagent", "0.10", "jmx_prometheus_javaagent-0.10.jar"],
    ["postgres-exporter", "0.18.1", "postgres_exporter-0.18.1.linux-amd64.tar.gz"],
    ["postgresql-17", "17.8-1.pgdg22.04+1", "postgresql-17_17.8-1.pgdg22.04+1_amd64.deb"],
    ["postgresql-common", "291.pgdg22.04+1", "postgresql-common_291.pgdg22.04+1_all.deb"],
  ])("has %s in version %s as binaries/%s", (name, version, path) => {
    expect(manifest.files.filter((one) => one.kind === "binary" && one.name === name)).toEqual([
      expect.objectContaining({ path: `binaries/${path}`, version }),
    ]);
  });

  it("carries a binary that nobody knows without a name", () => {
    expect(file("binaries/leftover.txt")).toMatchObject({ kind: "binary" });
    expect(file("binaries/leftover.txt")).not.toHaveProperty("name");
  });

  it.each([
    ["system", "registry.k8s.io/pause:3.9", "containers-system/registry.k8s.io_pause_3.9.tar", undefined],
    // Without a registry it is Docker Hub's.
    ["helm", "docker.io/library/redis:7.0", "containers-helm/redis_7.0.tar", "redis:7.0"],
    // A docker-archive does not keep a digest, though its file is named after one: it can be had by its tag alone.
    [
      "helm",
      "ghcr.io/cert/job:1",
      `containers-helm/ghcr.io_cert_job_1@sha256_${"5".repeat(64)}.tar`,
      undefined,
    ],
    [
      "adminhost",
      "quay.io/wire/wire-server-deploy:jq1n5k",
      "containers-adminhost/container-wire-server-deploy.tgz",
      undefined,
    ],
  ])("has an image for %s, %s", async (set, reference, path, inArchive = reference) => {
    const { id } = await dockerArchive(inArchive);
    expect(file(path)).toMatchObject({
      kind: "image",
      name: reference,
      image: { reference, id, set, format: "docker-archive" },
    });
  });

  it("has lists of images, charts with their version, and the rest", () => {
    expect(file("containers-helm/index.txt")).toMatchObject({ kind: "index" });
    // Of the chart that is installed, not of the one in it.
    expect(file("charts/wire-server/charts/brig/Chart.yaml")).toMatchObject({
      kind: "chart",
      name: "wire-server",
      version: "5.32.0",
    });
    for (const path of [
      "ansible/hosts.ini",
      "debs-jammy/db/000001.log",
      "values/wire-server/prod-values.example.yaml",
    ])
      expect(file(path)).toMatchObject({ kind: "other" });
  });

  it("says of each chart which images were packed for it, and by which values they were chosen", () => {
    expect(manifest.charts).toEqual([
      {
        name: "sftd",
        version: "0.135.0",
        images: ["docker.io/bitnamilegacy/nginx:1.27.3-debian-12-r5", "quay.io/wire/sftd:5.0.65"],
        values: {
          joinCall: { image: { repository: "docker.io/bitnamilegacy/nginx", tag: "1.27.3-debian-12-r5" } },
        },
      },
      {
        name: "smtp",
        version: "1.0.4",
        images: [],
        values: { image: { repository: "quay.io/mail/smtp", tag: 1 } },
      },
      { name: "webapp", version: "0.8.0", images: [], values: {} },
      {
        name: "wire-server",
        version: "5.32.0",
        images: ["alpine:3.21.3", "quay.io/wire/brig:5.32.0"],
        values: {},
      },
    ]);
    expect(manifest.unusable).toEqual([]);
  });

  it("has an apt repository, whose packages have their names and full versions", () => {
    expect(manifest.apt).toEqual([
      {
        path: "debs-jammy/public",
        suite: "jammy",
        components: ["main"],
        architectures: ["amd64"],
        key: "debs-jammy/public/gpg",
      },
    ]);
    expect(file("debs-jammy/public/gpg")).toMatchObject({ kind: "apt" });
    expect(
      file("debs-jammy/public/pool/main/c/conntrack-tools/conntrack_1.4.6-2build2_amd64.deb"),
    ).toMatchObject({ kind: "apt", name: "conntrack", version: "1:1.4.6-2build2" });
  });

  it.each([
    ["hard", "c/conntrack-tools/conntrack_1.4.6-2build2_amd64.deb"],
    ["symbolic", "s/socat/socat_1.7.4.1-3ubuntu4_amd64.deb"],
  ])("takes a %s link into aptly's pool for the file that it leads to", (_, path) => {
    const content = `stand-in for ${path}\n`;
    expect(file(`debs-jammy/public/pool/main/${path}`)).toMatchObject({
      sha256: sha256(content),
      size: content.length,
    });
  });

  it("leaves out a link among the playbooks that leads out of the archive", () => {
    expect(file("ansible/elsewhere")).toBeUndefined();
    expect(file("ansible/inventory/hosts.ini")?.sha256).toBe(file("ansible/hosts.ini")?.sha256);
  });
});

describe("an artifact that is not as Wire builds it", () => {
  const deb = "debs-jammy/public/pool/main/c/conntrack-tools/conntrack_1.4.6-2build2_amd64.deb";
  const image = "containers-helm/quay.io_wire_brig_5.32.0.tar";

  it("is refused with everything that it lacks", async () => {
    const error = await errorOf((tree) => {
      for (const path of tree.keys()) if (/^(binaries|debs-jammy)\//.test(path)) tree.delete(path);
    });
    expect(error).toContain("binaries.tar is missing");
    expect(error).toContain("debs-<suite>.tar is missing");
    expect(error).not.toContain("containers-system");
  });

  it.each([
    ["absolute", { soft: "/etc/shadow" }, "is a link to /etc/shadow, outside the archive"],
    ["relative", { soft: "../../../../../../../x" }, "is a link to ../x, outside the archive"],
    ["dangling", { soft: "nowhere.deb" }, "nowhere.deb, which the archive does not have"],
    ["circular", { soft: "conntrack_1.4.6-2build2_amd64.deb" }, "which the archive does not have"],
    ["hard", { hard: "debs-jammy/pool/nowhere.deb" }, "is a link to debs-jammy/pool/nowhere.deb, which"],
    ["folder's", { soft: "../../../../dists" }, "is a link to the folder debs-jammy/public/dists"],
  ])("is refused for a package that is a link with an unusable target: %s", async (_, link, message) => {
    const error = await errorOf((tree) => tree.set(deb, link));
    expect(error).toContain(deb);
    expect(error).toContain(message);
  });

  it("is refused for an entry that would be unpacked elsewhere", async () => {
    expect(await errorOf((tree) => tree.set("../../etc/cron.d/x", "* * * * * root true"))).toContain(
      "has an entry ../, which would be unpacked outside its folder",
    );
  });

  it("is refused for a package that its list does not know like this", async () => {
    const error = await errorOf((tree) => tree.set(deb, "something else"));
    expect(error).toContain(`${deb} has checksum ${sha256("something else")}, the list of packages says`);
  });

  it("is refused for packages without a key", async () => {
    expect(await errorOf((tree) => tree.delete("debs-jammy/public/gpg"))).toContain(
      "debs-jammy/public/gpg is missing",
    );
  });

  it.each([
    ["demo", ["debs-jammy/", "binaries/", "containers-system/", "ansible/"]],
    ["min", ["debs-jammy/", "binaries/", "containers-system/", "ansible/", "bin/", "dashboards/"]],
  ])("is refused as a %s build, with the name of the build that is wanted", async (profile, without) => {
    const error = await errorOf((tree) => {
      for (const path of tree.keys()) if (without.some((start) => path.startsWith(start))) tree.delete(path);
    });
    expect(error).toContain(`is a ${profile} build of Wire's`);
    expect(error).toContain("the default build of the same release, wire-server-deploy-static-<HASH>.tgz");
  });

  it.each([
    ["no tar", async () => Buffer.alloc(4096, "x"), "Invalid tar header"],
    ["nothing", async () => Buffer.alloc(0), "has no manifest.json"],
    ["a tar of something else", async () => packTar([["file", "x"]]), "has no manifest.json"],
    [
      "several images",
      async () =>
        packTar([["manifest.json", JSON.stringify([{ RepoTags: ["a/b:1"] }, { RepoTags: ["a/c:1"] }])]]),
      "has 2 images instead of one",
    ],
    [
      "no name",
      async () => packTar([["manifest.json", JSON.stringify([{ Config: "c", RepoTags: null, Layers: [] }])]]),
      "no RepoTags",
    ],
    [
      "no layer",
      async () => {
        const config = "{}";
        const Config = `${sha256(config)}.json`;
        const description = JSON.stringify([{ Config, RepoTags: ["a.b/c:1"], Layers: ["gone.tar"] }]);
        return packTar([
          [Config, config],
          ["manifest.json", description],
        ]);
      },
      "lacks gone.tar",
    ],
    [
      "an altered configuration",
      async () => {
        const Config = `${sha256("{}")}.json`;
        return packTar([
          [Config, '{"altered":true}'],
          ["manifest.json", JSON.stringify([{ Config, RepoTags: ["a.b/c:1"], Layers: [] }])],
        ]);
      },
      "has a damaged",
    ],
  ])("is read all the same with an image of %s, which it says cannot be used", async (_, make, problem) => {
    const bytes = await make();
    const { path } = await makeWireArtifact(root, (tree) => tree.set(image, bytes));
    const manifest = await readArtifact(path);
    expect(manifest.unusable).toEqual([{ path: image, problem: expect.stringContaining(problem) }]);
    expect(manifest.files.find((file) => file.path === image)).toMatchObject({ kind: "other" });
    expect(manifest.files.filter(({ kind }) => kind === "image").length).toBeGreaterThan(4);
  });

  it("is read all the same without an image that a list names", async () => {
    const { path } = await makeWireArtifact(root, (tree) => tree.delete(image));
    const manifest = await readArtifact(path);
    expect(manifest.unusable).toEqual([
      { path: image, problem: "is missing, and containers-helm/index.txt names it" },
    ]);
  });
});

describe("a location with something else", () => {
  it.each([
    ["a web page", Buffer.from("<html>Not found</html>"), "not packed with gzip; it looks like a web page"],
    ["nothing", Buffer.alloc(0), "is empty"],
    ["no tar", gzipSync(Buffer.alloc(2048, "x")), "Invalid tar header"],
    ["an empty tar", gzipSync(Buffer.alloc(10240)), "binaries.tar is missing"],
  ])("is refused: %s", async (_, bytes, message) => {
    const path = join(root, "x.tgz");
    writeFileSync(path, bytes);
    await expect(readArtifact(path)).rejects.toThrow(new RegExp(message));
  });

  it("is refused if it is truncated, with the place", async () => {
    const { path } = await makeWireArtifact(root);
    writeFileSync(path, readFileSync(path).subarray(0, 3000));
    await expect(readArtifact(path)).rejects.toThrow(
      /, in or after [a-z].*: it is truncated; fetch it again/,
    );
  });

  it("is refused if it is damaged, with the place", async () => {
    // Large enough that most of it has been read before the damage is reached, and packed so that it shows at once.
    const content = Array.from({ length: 65_536 }, (_, number) => sha256(`${number}`)).join("");
    const { path } = await makeWireArtifact(root, (tree) => tree.set("binaries/kubelet", content));
    const bytes = readFileSync(path);
    bytes.fill(0xff, 2_000_000, 2_000_100);
    writeFileSync(path, bytes);
    await expect(readArtifact(path)).rejects.toThrow(
      /, in or after binaries\/kubelet: it is damaged \(.+\); fetch it again/,
    );
  });

  it("is refused if it is not there, or no artifact by its name", async () => {
    await expect(readArtifact(join(root, "x.tgz"))).rejects.toThrow(`${join(root, "x.tgz")} does not exist`);
    writeFileSync(join(root, "x.zip"), "");
    await expect(readArtifact(join(root, "x.zip"))).rejects.toThrow(
      "neither Wire's archive (wire-server-deploy-static-<HASH>.tgz, a path or a URL) nor the folder of a bundle",
    );
    await expect(readArtifact(root)).rejects.toThrow("manifest.json does not exist");
  });
});

describe("npm run artifact", () => {
  const artifactCommand = (...args: string[]) =>
    new Promise<{ code: number; output: string; errors: string }>((resolve) =>
      execFile(
        "node",
        ["--import", "tsx", "bundle/artifact.ts", ...args],
        { env: { ...process.env, INIT_CWD: root } },
        (error, output, errors) => resolve({ code: error ? Number(error.code) : 0, output, errors }),
      ),
    );

  it("writes a manifest, shows it and verifies with it", async () => {
    const { path } = await makeWireArtifact(root);
    expect(await artifactCommand("manifest", path, "-o", "wire.json")).toEqual({
      code: 0,
      output: "",
      errors: "",
    });
    const manifest = await readArtifact(path);
    expect(readFileSync(join(root, "wire.json"), "utf8")).toBe(renderManifest(manifest));

    const shown = await artifactCommand("show", "wire.json");
    expect(shown.output).toMatch(/^kubelet +v1\.29\.10 +binaries\/kubelet$/m);
    expect(shown.output).toMatch(/^system +registry\.k8s\.io\/pause:3\.9 +\d/m);
    expect(shown.output).toMatch(/^image +7 +\d+\.\d kB$/m);

    const verified = await artifactCommand("verify", path, "--manifest", "wire.json");
    expect(verified).toMatchObject({ code: 0, errors: "" });
    expect(verified.output).toContain(`${manifest.files.length} files`);
  });

  it("writes a manifest though an image is damaged, and says so", async () => {
    const image = "containers-helm/quay.io_wire_brig_5.32.0.tar";
    const { path } = await makeWireArtifact(root, (tree) => tree.set(image, ""));
    expect(await artifactCommand("manifest", path, "-o", "wire.json")).toEqual({
      code: 0,
      output: "",
      errors: `${image} is no docker-archive: it has no manifest.json: whoever needs this image will be told\n`,
    });
  });

  it("ends with 1 and says what is wrong", async () => {
    const { path } = await makeWireArtifact(root);
    await artifactCommand("manifest", path, "-o", "wire.json");
    await makeWireArtifact(root, (tree) => tree.set("binaries/kubelet", "something else"));
    const verified = await artifactCommand("verify", path, "--manifest", "wire.json");
    expect(verified.code).toBe(1);
    expect(verified.output).toContain("0123456789abcdef.tgz: binaries/kubelet is altered");

    expect(await artifactCommand("verify", path)).toMatchObject({
      code: 1,
      errors: expect.stringContaining("say with --manifest FILE what to compare it with"),
    });
    expect(await artifactCommand("look", path)).toMatchObject({
      code: 1,
      errors: expect.stringContaining("usage:"),
    });
  });
});
