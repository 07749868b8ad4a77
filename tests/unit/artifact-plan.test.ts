import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ArtifactFile, type ArtifactManifest, renderManifest } from "../../components/artifact/manifest";
import { findBinary, planArtifact, registryOf, storePath } from "../../components/artifact/plan";
import { readManifest } from "../../components/artifact/reader/bundle";
import { planRuntime } from "../../components/kubernetes/container-runtime/plan";
import { ConfigurationError, validate } from "../../components/validation/validate";
import { fixtureBundle, stagingConfiguration, stagingValues, surroundings, type Values } from "../stacks";

const checksum = (letter: string) => letter.repeat(64);

const file = (path: string, more: Partial<ArtifactFile> = {}): ArtifactFile => ({
  path,
  archive: `${path.split("/")[0]}.tar`,
  sha256: checksum("a"),
  size: 1,
  kind: "other",
  ...more,
});
const binary = (name: string, more: Partial<ArtifactFile> = {}) =>
  file(`binaries/${name}`, { kind: "binary", name, ...more });
const image = (reference: string) =>
  file(`containers-system/${reference.replace(/[/:@]/g, "_")}.tar`, {
    kind: "image",
    image: { reference, id: `sha256:${checksum("b")}`, format: "docker-archive", set: "system" },
  });
const key = file("debs-bookworm/public/gpg", { kind: "apt", sha256: checksum("c") });

const manifest = (files: ArtifactFile[], more: Partial<ArtifactManifest> = {}): ArtifactManifest => ({
  format: 1,
  name: "test",
  layout: "bundle",
  archives: [...new Set(files.map(({ archive }) => archive))].map((name) => ({
    name,
    sha256: checksum("d"),
    size: 9,
  })),
  apt: [],
  files,
  ...more,
});
const repository = {
  ...{ path: "debs-bookworm/public", suite: "bookworm", components: ["main"], architectures: ["amd64"] },
  key: key.path,
};
const plan = (...manifests: ArtifactManifest[]) =>
  planArtifact(manifests.map((each) => ({ manifest: each, location: "/srv/artifact" })));

describe("artifacts of a stack", () => {
  it("are put together, with everything in its place", () => {
    const wire = manifest([
      binary("kubelet"),
      image("quay.io/wire/brig:5.0"),
      image("registry.k8s.io/pause:3.10"),
    ]);
    const ours = manifest([key, image("docker.io/library/nginx:1"), image("registry.k8s.io/etcd:3")], {
      apt: [repository],
    });
    const { archives, served, apt, images, registries } = plan(wire, ours);
    expect(archives.map(({ name, files }) => [name, files.map(({ path }) => path)])).toEqual([
      ["binaries.tar", ["binaries/kubelet"]],
      [
        "containers-system.tar",
        ["containers-system/quay.io_wire_brig_5.0.tar", "containers-system/registry.k8s.io_pause_3.10.tar"],
      ],
      ["debs-bookworm.tar", [key.path]],
      [
        "containers-system.tar",
        ["containers-system/docker.io_library_nginx_1.tar", "containers-system/registry.k8s.io_etcd_3.tar"],
      ],
    ]);
    const paths = served.map(({ path }) => path);
    expect(paths).toEqual([...paths].sort());
    expect(paths).toHaveLength(6);
    expect(images).toHaveLength(4);
    expect(registries).toEqual(["docker.io", "quay.io", "registry.k8s.io"]);
    expect(apt).toEqual([{ ...repository, keySha256: key.sha256 }]);
  });

  it.each([
    ["/srv/artifact", "/srv/artifact/binaries.tar"],
    ["/srv/artifact/", "/srv/artifact/binaries.tar"],
    ["https://example.com/artifacts/7", "https://example.com/artifacts/7/binaries.tar"],
    ["https://example.com/artifacts/7/", "https://example.com/artifacts/7/binaries.tar"],
  ])("lie at %s", (location, expected) => {
    const { archives } = planArtifact([{ manifest: manifest([binary("kubelet")]), location }]);
    expect(archives.map((archive) => archive.location)).toEqual([expected]);
  });

  it("may have the same file in the same place, and no different ones", () => {
    const one = manifest([binary("kubelet"), binary("crictl")]);
    expect(plan(one, manifest([binary("kubelet")])).served).toHaveLength(2);
    expect(() => plan(one, manifest([binary("crictl", { sha256: checksum("e") })]))).toThrow(
      "two artifacts have different files at binaries/crictl; build one of them anew without it",
    );
  });

  it("may differ in what nobody serves, which is unpacked all the same", () => {
    const of = (sha256: string) => manifest([file("ansible/hosts.ini", { sha256 }), binary("kubelet")]);
    const { archives, served } = plan(of(checksum("1")), of(checksum("2")));
    expect(served.map(({ path }) => path)).toEqual(["binaries/kubelet"]);
    expect(archives.flatMap(({ files }) => files.map(({ path }) => path))).toContain("ansible/hosts.ini");
  });

  it("have the key of each apt repository", () => {
    expect(() => plan(manifest([binary("kubelet")], { name: "ours", apt: [repository] }))).toThrow(
      "ours does not have the key of its apt repository, debs-bookworm/public/gpg",
    );
  });

  it("are asked for a binary by its name", () => {
    const artifact = plan(
      manifest([binary("crictl-v1.tar.gz", { name: "crictl" }), image("docker.io/crictl:1")]),
    );
    expect(findBinary(artifact, "crictl")?.path).toBe("binaries/crictl-v1.tar.gz");
    expect(findBinary(artifact, "runc")).toBeUndefined();
  });

  it("are unpacked into a folder of the stack's own", () => {
    expect(storePath(stagingConfiguration())).toBe("/var/lib/wiab/wirebox");
    const elsewhere = (c: Values) => {
      c.network.name = "other";
    };
    expect(storePath(stagingConfiguration(elsewhere))).toBe("/var/lib/wiab/other");
  });

  it("name an image's registry first", () => {
    expect(registryOf("registry.example.com:5000/a/b:1")).toBe("registry.example.com:5000");
  });
});

describe("a node's container runtime", () => {
  const pause = image("registry.k8s.io/pause:3.10.1");
  const all = ["containerd", "containerd-shim-runc-v2", "ctr", "runc", "crictl"].map((name) => binary(name));

  it("is made of what the artifact has", () => {
    expect(planRuntime(plan(manifest([...all, binary("kubelet"), pause])))).toEqual({
      binaries: all,
      packages: [],
      sandboxImage: "registry.k8s.io/pause:3.10.1",
    });
  });

  it("takes from Debian what need not be a binary", () => {
    const { binaries, packages } = planRuntime(
      plan(manifest([binary("containerd"), binary("crictl"), pause])),
    );
    expect(binaries.map(({ name }) => name)).toEqual(["containerd", "crictl"]);
    expect(packages).toEqual(["runc"]);
  });

  it("names everything that is lacking", () => {
    const lacking = (...files: ArtifactFile[]) => {
      try {
        planRuntime(plan(manifest(files)));
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(lacking(binary("kubelet"))).toBe(
      "the artifact lacks the binary containerd, the binary crictl, the image pause: no Kubernetes node can be made of it",
    );
    expect(lacking(binary("containerd"), pause)).toContain("lacks the binary crictl: ");
    // Another image whose name only begins so.
    expect(lacking(...all, image("docker.io/some/pauser:1"))).toContain("lacks the image pause: ");
  });
});

describe("the configuration of artifacts", () => {
  const whole = readManifest(join(fixtureBundle, "manifest.json")).files;
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wiab-plan-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const written = (name: string, files: ArtifactFile[]) => {
    writeFileSync(join(folder, name), renderManifest(manifest(files)));
    return { manifest: join(folder, name), location: "/srv/artifact" };
  };

  /** The problems of a staging configuration with an artifact, as "key: message". */
  function problems(artifact: Values, change: (values: Values) => void = () => {}): string[] {
    const values = { ...stagingValues(), artifact };
    change(values);
    try {
      validate(values, surroundings);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      return error.problems.map(({ key, message }) => `${key}: ${message}`);
    }
    return [];
  }

  it("is accepted where the manifests can be read and complete one another", () => {
    expect(problems({ sources: [written("one.json", whole)] })).toEqual([]);
    expect(
      problems({ sources: [written("one.json", whole.slice(0, 1)), written("two.json", whole.slice(1))] }),
    ).toEqual([]);
  });

  it("says that a manifest of Wire's is to be made anew if it does not say which images the charts take", () => {
    const file = join(folder, "wire.json");
    const wire = { ...manifest(whole), layout: "wire" as const };
    const found = () => problems({ sources: [{ manifest: file, location: "/srv/artifact" }] });
    writeFileSync(file, renderManifest(wire));
    expect(found()).toEqual([
      `artifact.sources[0].manifest: ${file} does not say which images Wire's charts take; make it anew with "npm run artifact -- manifest"`,
    ]);
    writeFileSync(file, renderManifest({ ...wire, charts: [] }));
    expect(found()).toEqual([]);
  });

  it("names each manifest that cannot be read, at its place", () => {
    const nowhere = { manifest: join(folder, "nowhere.json"), location: "/srv/artifact" };
    const broken = { manifest: join(folder, "broken.json"), location: "/srv/artifact" };
    writeFileSync(broken.manifest, JSON.stringify({ ...manifest(whole), layout: "tape" }));
    const text = { manifest: join(folder, "text.json"), location: "/srv/artifact" };
    writeFileSync(text.manifest, "<html>");
    const found = problems({ sources: [written("one.json", whole), nowhere, broken, text] });
    expect(found).toEqual([
      expect.stringMatching(/^artifact\.sources\[1\]\.manifest: .*nowhere\.json/),
      expect.stringMatching(/^artifact\.sources\[2\]\.manifest: .*broken\.json is not .*layout/s),
      expect.stringMatching(/^artifact\.sources\[3\]\.manifest: .*text\.json is not /),
    ]);
  });

  it("names what the artifacts lack, and where they contradict each other", () => {
    expect(
      problems({
        sources: [
          written(
            "one.json",
            whole.filter(({ name }) => name !== "containerd"),
          ),
        ],
      }),
    ).toEqual([
      "artifact.sources: the artifact lacks the binary containerd: no Kubernetes node can be made of it",
    ]);
    for (const [name, message] of [
      ["haproxy", "no Kubernetes cluster can be made of it"],
      ["nginx", "no asset host can be made of it"],
    ])
      expect(
        problems({
          sources: [
            written(
              "one.json",
              whole.filter((file) => file.name !== name),
            ),
          ],
        }),
      ).toEqual([
        `artifact.sources: the artifact lacks the Debian packages ${name} (Wire's artifact needs the bundle of bundle/asset-host-jammy.yaml beside it, see docs/artifact.md): ${message}`,
      ]);
    const other = [binary("crictl", { sha256: checksum("f") })];
    expect(problems({ sources: [written("one.json", whole), written("two.json", other)] })).toEqual([
      "artifact.sources: two artifacts have different files at binaries/crictl; build one of them anew without it",
    ]);
  });

  it.each([
    ...["kubeadm", "kubelet", "kubectl", "crictl", "cassandra", "elasticsearch", "minio", "mc"],
    ...[
      "conntrack",
      "haproxy",
      "socat",
      "nginx",
      "docker-registry",
      "rabbitmq-server",
      "postgresql-client-15",
    ],
    ...["openjdk-17-jre-headless", "postgresql-15-repmgr"],
  ])("is refused without %s, by its name", (name) => {
    const rest = whole.filter((file) => file.name !== name);
    expect(rest.length).toBeLessThan(whole.length);
    const found = problems({ sources: [written("one.json", rest)] });
    // A Java may be missed by two.
    expect(found.filter((line) => line.startsWith("artifact.sources: "))).toEqual(found);
    expect(found.join("\n")).toMatch(
      new RegExp(`(lacks|needs|has no) .*${name.replace("17", "(17|N)")}`, "i"),
    );
  });

  it.each(["srv/artifact", "ftp://example.com/artifact", ""])("refuses the location %j", (location) => {
    expect(problems({ sources: [{ ...written("one.json", whole), location }] })).toEqual([
      expect.stringMatching(
        /^artifact\.sources\[0\]\.location: must be an absolute path on the KVM host, or an http\(s\) URL/,
      ),
    ]);
  });

  it("refuses an asset host of one's own that the host could not log in to", () => {
    const artifact = { sources: [written("one.json", whole)] };
    const existing = { user: "ops" };
    const change = (more: Values) => (c: Values) => {
      c.machines[0].existing = { ...existing, ...more };
      // Any other machine does without.
      c.machines[1].existing = existing;
    };
    expect(problems(artifact, change({}))).toEqual([
      "machines[0].existing.privateKeyFile: is missing: the host logs in to the asset host with it to bring the artifact",
    ]);
    expect(problems(artifact, change({ privateKeyFile: "~/.ssh/id_ed25519" }))).toEqual([]);
  });
});
