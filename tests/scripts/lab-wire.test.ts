import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Parts } from "../../bundle/make";
import { readSpecification } from "../../bundle/read";
import type { ArtifactManifest } from "../../components/artifact/manifest";
import { type ArtifactPlan, planArtifact } from "../../components/artifact/plan";
import { readWireArtifact } from "../../components/artifact/reader/wire";
import { planCassandra } from "../../components/data-services/cassandra/plan";
import { planElasticsearch } from "../../components/data-services/elasticsearch/plan";
import { planMinio } from "../../components/data-services/minio/plan";
import { planPostgresql } from "../../components/data-services/postgresql/plan";
import { planRabbitMq } from "../../components/data-services/rabbitmq/plan";
import { planRuntime } from "../../components/kubernetes/container-runtime/plan";
import { planKubernetes } from "../../components/kubernetes/plan";
import { packWireArchive, wireList } from "../../lab/wire/archive";
import { dockerArchive, sha256 } from "../fixtures/archives";

// What the lab packs in Wire's layout, of tiny parts in the place of real ones, and what the program finds in it.

let root: string;
let archive: string;
let manifest: ArtifactManifest;
let plan: ArtifactPlan;
const at = (...path: string[]) => join(root, ...path);

/** A repository as the builder makes it: PostgreSQL's packages lie beside it as files. */
function repository(): string {
  const { apt } = readSpecification(wireList).specification;
  const debs = ["conntrack", "openjdk-8-jre-headless", "rabbitmq-server", "socat"].map((name) => {
    const version = name === "rabbitmq-server" ? "3.10.8-1" : "1";
    return { name, version, url: "", path: `pool/main/${name[0]}/${name}/${name}_${version}_amd64.deb` };
  });
  const dist = at("repository/public/dists/trixie/main/binary-amd64");
  mkdirSync(dist, { recursive: true });
  for (const { name, path } of debs) {
    mkdirSync(at("repository/public", path, ".."), { recursive: true });
    writeFileSync(at("repository/public", path), name);
  }
  writeFileSync(
    join(dist, "Packages"),
    debs
      .map(
        ({ name, version, path }) =>
          `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nFilename: ${path}\nSHA256: ${sha256(name)}\n`,
      )
      .join("\n"),
  );
  writeFileSync(
    join(dist, "../../Release"),
    "Suite: trixie\nCodename: trixie\nArchitectures: amd64\nComponents: main\n",
  );
  writeFileSync(at("repository/packages.json"), JSON.stringify(debs));
  mkdirSync(at("repository/files"));
  for (const name of apt?.files ?? [])
    writeFileSync(at("repository/files", `${name}_17.12-0_amd64.deb`), name);
  return at("repository");
}

/** What stands beside it: of lab/asset-host.yaml what a cluster asks for. */
const beside: ArtifactManifest = {
  ...{ format: 1, name: "beside", layout: "bundle", apt: [] },
  archives: [{ name: "debs.tar", sha256: sha256("debs"), size: 4 }],
  files: [
    {
      path: "debs/haproxy.deb",
      archive: "debs.tar",
      sha256: sha256("h"),
      size: 1,
      kind: "apt",
      name: "haproxy",
    },
  ],
};

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "wiab-lab-wire-"));
  vi.stubEnv("XDG_CONFIG_HOME", at("config"));
  const listed = readSpecification(wireList);
  const parts: Parts = { binaries: new Map(), images: new Map(), charts: new Map() };
  parts.repository = repository();
  for (const binary of listed.specification.binaries) {
    writeFileSync(at(binary.name), binary.name);
    parts.binaries.set(binary, at(binary.name));
  }
  execFileSync("python3", [
    "-c",
    "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('elasticsearch-6.8.23/lib/a.jar', 'jar')",
    at("elasticsearch"),
  ]);
  const flannel = { reference: "docker.io/flannel/flannel:v0.28.0", set: "system" as const };
  const ofChart = { reference: "docker.io/library/a:1", set: "helm" as const };
  for (const image of [...listed.specification.images, flannel, ofChart]) {
    const { id, bytes } = await dockerArchive(image.reference);
    const file = at(sha256(image.reference));
    writeFileSync(file, bytes);
    parts.images.set(image.reference, { file, id, format: "docker-archive", image, source: "test" });
  }
  mkdirSync(at("chart/templates"), { recursive: true });
  writeFileSync(at("chart/Chart.yaml"), "apiVersion: v2\nname: sftd\nversion: 0.1.0\n");
  parts.charts.set({ name: "sftd", path: "chart", values: [], images: [] }, at("chart"));
  archive = at("wire-server-deploy-static-0123.tgz");
  await packWireArchive(archive, listed, parts, new Map([["sftd", ["docker.io/library/a:1"]]]));
  manifest = await readWireArtifact(archive);
  plan = planArtifact([
    { manifest, location: "/srv" },
    { manifest: beside, location: "/srv" },
  ]);
}, 120_000);

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

describe("the lab's archive in Wire's layout", () => {
  it("has Wire's archives and folders at its top, and nothing else", () => {
    const listing = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).trimEnd().split("\n");
    expect([...new Set(listing.map((path) => path.split("/")[0]))].sort()).toEqual([
      "ansible",
      "bin",
      "binaries.tar",
      "charts",
      "containers-adminhost",
      "containers-helm.tar",
      "containers-system.tar",
      "dashboards",
      "debs-trixie.tar",
      "values",
      "versions",
    ]);
  });

  it("has packages in aptly's pool once, with links to them where they are published", () => {
    const script = 'tar -xzOf "$1" debs-trixie.tar | tar -tv | grep socat | cut -c1';
    const kinds = execFileSync("bash", ["-c", script, "bash", archive], { encoding: "utf8" });
    expect(kinds.trim().split("\n").sort()).toEqual(["-", "d", "h"]);
  });

  it("names its charts with the images that were packed for them", () => {
    expect(manifest).toMatchObject({ layout: "wire", name: "wire-server-deploy-static-0123" });
    expect(manifest.charts).toEqual([
      { name: "sftd", version: "0.1.0", images: ["docker.io/library/a:1"], values: {} },
    ]);
  });

  it("has all that the program needs, in the versions of the list", () => {
    expect(planKubernetes(plan)).toMatchObject({
      version: "v1.30.4",
      etcd: { repository: "quay.io/coreos", tag: "v3.5.16" },
      coredns: { tag: "v1.11.4" },
      cniPlugins: { version: "v1.3.0" },
      etcdTools: [{ path: "binaries/etcd-v3.5.16-linux-amd64.tar.gz" }],
    });
    expect(planRuntime(plan).binaries.map(({ name, version }) => [name, version])).toEqual([
      ["containerd", "1.7.22"],
      ["runc", "v1.1.14"],
      ["crictl", "v1.34.0"],
    ]);
    expect(planCassandra(plan)).toMatchObject({ version: "3.11.19", java: { version: 8 } });
    expect(planElasticsearch(plan)).toMatchObject({
      version: "6.8.23",
      package: expect.stringMatching(/\.deb$/),
    });
    expect(planMinio(plan).version).toMatch(/^RELEASE\.2026/);
    expect(planPostgresql(plan)).toMatchObject({ major: 17, version: "17.12-0" });
    expect(planPostgresql(plan).packages.every(({ source }) => source.endsWith(".deb"))).toBe(true);
    expect(planRabbitMq(plan).version).toBe("3.10.8-1");
  });

  it("has Elasticsearch as a package with its programs where its makers' has them", () => {
    const script =
      'tar -xzOf "$1" binaries.tar | tar -xO binaries/elasticsearch-oss-6.8.23.deb >"$2"; dpkg-deb --fsys-tarfile "$2" | tar -t';
    const files = execFileSync("bash", ["-c", script, "bash", archive, at("package.deb")], {
      encoding: "utf8",
    });
    expect(files).toContain("./usr/share/elasticsearch/lib/a.jar");
  });
});
