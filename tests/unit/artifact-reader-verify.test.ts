import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactManifest } from "../../components/artifact/manifest";
import { renderManifest } from "../../components/artifact/manifest";
import { readArtifact } from "../../components/artifact/reader/read";
import { verifyArtifact } from "../../components/artifact/reader/verify";
import { dockerArchive, packTar, sha256 } from "../fixtures/archives";
import { makeWireArtifact } from "../fixtures/wire-artifact";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-verify-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The findings as `archive: path problem`, each of which says what to do. */
async function findings(location: string, manifest: ArtifactManifest): Promise<string[]> {
  const found = await verifyArtifact(location, manifest);
  for (const { remedy } of found) expect(remedy).toMatch(/copy it again|take it away/);
  return found.map(({ archive, path, problem }) => `${archive}: ${path} ${problem}`);
}

/** Alters a file as a bad disk does. */
function damage(path: string, place: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
  writeFileSync(path, bytes);
}

describe("Wire's artifact", () => {
  const name = "wire-server-deploy-static-0123456789abcdef.tgz";
  let manifest: ArtifactManifest;
  beforeEach(async () => {
    manifest = await readArtifact((await makeWireArtifact(root)).path);
  });

  it("is found to be as its manifest says", async () => {
    expect(await findings(join(root, name), manifest)).toEqual([]);
  });

  it("is found to be altered, by the file that is", async () => {
    const { path } = await makeWireArtifact(root, (tree) =>
      tree.set("binaries/runc.amd64", "stand-in for runc.amd63\n"),
    );
    expect(await findings(path, manifest)).toEqual([
      expect.stringMatching(`^${name}: binaries/runc.amd64 is altered: it has 24 bytes with checksum`),
      expect.stringMatching(`^${name}:  is altered: `),
    ]);
  });

  it("is found to lack files, and to have some too many", async () => {
    const { path } = await makeWireArtifact(root, (tree) => {
      tree.delete("binaries/runc.amd64");
      tree.delete("debs-jammy/pool/00/ab/conntrack_1.4.6-2build2_amd64.deb");
      tree.set("bin/backdoor.sh", "#!/bin/sh\n");
    });
    const found = await findings(path, manifest);
    expect(found.slice(0, -1).sort()).toEqual([
      `${name}: bin/backdoor.sh is not in the manifest`,
      `${name}: binaries/runc.amd64 is missing`,
      `${name}: debs-jammy/pool/00/ab/conntrack_1.4.6-2build2_amd64.deb is missing`,
      expect.stringMatching(
        "conntrack_1.4.6-2build2_amd64.deb is a link to debs-jammy/pool/.*, which the archive does not",
      ),
    ]);
    expect(found.at(-1)).toMatch(`${name}:  is `);
  });

  it("is found to be truncated, and nothing is said of the files that could not be looked at", async () => {
    const path = join(root, name);
    truncateSync(path, 3000);
    const found = await findings(path, manifest);
    expect(found).toEqual([
      expect.stringMatching(/: [a-z]\S+ cannot be read any further: .*it is truncated/),
      `${name}:  is truncated: 3000 of ${manifest.archives[0]?.size} bytes`,
    ]);
  });

  it("is found to be damaged where no file is", async () => {
    // The operating system's number in the header of gzip.
    damage(join(root, name), 9);
    expect(await findings(join(root, name), manifest)).toEqual([
      expect.stringMatching(`^${name}:  is altered: `),
    ]);
  });

  it("is found to differ from a manifest with a wrong checksum", async () => {
    const files = manifest.files.map((file) =>
      file.path === "binaries/kubelet" ? { ...file, sha256: sha256("wrong") } : file,
    );
    expect(await findings(join(root, name), { ...manifest, files })).toEqual([
      expect.stringMatching(
        `: binaries/kubelet is altered: .*, the manifest says 21 bytes with checksum ${sha256("wrong")}`,
      ),
    ]);
  });
});

describe("a bundle", () => {
  let manifest: ArtifactManifest;

  /** Makes an archive of a bundle. */
  async function write(name: string, entries: Record<string, string | Buffer>): Promise<void> {
    writeFileSync(join(root, name), await packTar(Object.entries(entries)));
  }

  const binaries = { "binaries/kubelet": "a kubelet\n", "binaries/minio": "a minio\n" };

  beforeEach(async () => {
    const { bytes, reference, id } = await dockerArchive("registry.k8s.io/pause:3.10");
    const contents: Record<string, Record<string, string | Buffer>> = {
      "binaries.tar": binaries,
      "containers-system.tar": {
        "containers-system/index.txt": "registry.k8s.io_pause_3.10.tar\n",
        "containers-system/registry.k8s.io_pause_3.10.tar": bytes,
      },
    };
    for (const [name, entries] of Object.entries(contents)) await write(name, entries);
    const sum = (content: string | Buffer) => ({ sha256: sha256(content), size: Buffer.byteLength(content) });
    const archived = (name: string) => readFileSync(join(root, name));
    manifest = {
      format: 1,
      name: "test",
      layout: "bundle",
      archives: Object.keys(contents).map((name) => ({ name, ...sum(archived(name)) })),
      apt: [],
      files: Object.entries(contents)
        .flatMap(([archive, entries]) =>
          Object.entries(entries).map(([path, content]) => ({
            path,
            archive,
            ...sum(content),
            kind: "other" as const,
            ...(content === bytes && {
              kind: "image" as const,
              image: { reference, id, format: "docker-archive" as const, set: "system" as const },
            }),
          })),
        )
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    };
    writeFileSync(join(root, "manifest.json"), renderManifest(manifest));
    writeFileSync(join(root, "load-and-push-images.sh"), "#!/bin/bash\n");
    writeFileSync(
      join(root, "SHA256SUMS"),
      ["binaries.tar", "containers-system.tar", "load-and-push-images.sh", "manifest.json"]
        .map((name) => `${sha256(archived(name))}  ${name}\n`)
        .join(""),
    );
    writeFileSync(join(root, "SHA256SUMS.asc"), "a signature of somebody's");
  });

  it("is read from its manifest and found to be as that says", async () => {
    expect(await readArtifact(root)).toEqual(manifest);
    expect(await findings(root, manifest)).toEqual([]);
  });

  it("is not read while archives are missing or not complete", async () => {
    rmSync(join(root, "binaries.tar"));
    truncateSync(join(root, "containers-system.tar"), 512);
    await expect(readArtifact(root)).rejects.toThrow(
      /binaries\.tar is missing\n {2}containers-system\.tar has 512 bytes, the manifest says \d+/,
    );
  });

  it("is not read with a manifest that is none", async () => {
    writeFileSync(join(root, "manifest.json"), "{}");
    await expect(readArtifact(root)).rejects.toThrow("manifest.json is not the manifest of an artifact");
  });

  it("is found to lack an archive", async () => {
    rmSync(join(root, "binaries.tar"));
    expect(await findings(root, manifest)).toEqual(["binaries.tar:  is missing"]);
  });

  it("is found to be truncated in an archive", async () => {
    const { size } = manifest.archives[0] ?? { size: 0 };
    truncateSync(join(root, "binaries.tar"), 1030);
    expect(await findings(root, manifest)).toEqual([
      "binaries.tar: binaries/kubelet cannot be read any further: Unexpected end of data",
      `binaries.tar:  is truncated: 1030 of ${size} bytes`,
      expect.stringMatching("binaries.tar:  is altered: its checksum is .*, SHA256SUMS says"),
    ]);
  });

  it("is found to be altered in one bit of an inner file", async () => {
    damage(join(root, "binaries.tar"), readFileSync(join(root, "binaries.tar")).indexOf("a minio"));
    expect(await findings(root, manifest)).toEqual([
      expect.stringMatching("^binaries.tar: binaries/minio is altered: it has 8 bytes with checksum"),
      expect.stringMatching("^binaries.tar:  is altered: "),
      expect.stringMatching("^binaries.tar:  is altered: .*SHA256SUMS"),
    ]);
  });

  it("is found to lack an inner file, and to have one too many", async () => {
    await write("binaries.tar", { "binaries/kubelet": binaries["binaries/kubelet"], "binaries/extra": "x" });
    expect((await findings(root, manifest)).slice(0, 2)).toEqual([
      "binaries.tar: binaries/minio is missing",
      "binaries.tar: binaries/extra is not in the manifest",
    ]);
  });

  it("is found to have files beside the archives that are altered, missing or foreign", async () => {
    writeFileSync(join(root, "manifest.json"), "{}");
    rmSync(join(root, "load-and-push-images.sh"));
    writeFileSync(join(root, "notes.txt"), "x");
    expect(await findings(root, manifest)).toEqual([
      "load-and-push-images.sh:  is missing",
      expect.stringMatching("^manifest.json:  is altered: "),
      "notes.txt:  does not belong to the bundle",
    ]);
    rmSync(join(root, "SHA256SUMS"));
    expect(await findings(root, manifest)).toContain("SHA256SUMS:  is missing");
  });
});
