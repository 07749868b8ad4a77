import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ArtifactFile, parseManifest, renderManifest } from "../../components/artifact/manifest";
import { labValues, type Values } from "../stacks";
import { type Preview, ScratchProject } from "./project";

// What an artifact lacks is found before anything is made: by the engine itself, with charts that are really rendered.

const scratch = mkdtempSync(join(tmpdir(), "wiab-taken-out-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A stack whose artifact lacks the files of a name. */
function withoutFile(unwanted: (file: ArtifactFile) => boolean): Values {
  const values = labValues("full");
  const manifest = parseManifest(readFileSync(values.artifact.sources[0].manifest, "utf8"));
  const file = join(mkdtempSync(join(scratch, "artifact-")), "manifest.json");
  writeFileSync(
    file,
    renderManifest({ ...manifest, files: manifest.files.filter((each) => !unwanted(each)) }),
  );
  values.artifact.sources[0].manifest = file;
  return values;
}

function withoutChart(name: string): Values {
  const values = labValues("full");
  const charts = mkdtempSync(join(scratch, "charts-"));
  cpSync(values.wire.charts.directory, charts, { recursive: true });
  rmSync(join(charts, name), { recursive: true });
  values.wire.charts.directory = charts;
  return values;
}

describe.each([
  {
    part: "image",
    values: () => withoutFile(({ name }) => name === "docker.io/library/redis:7.0.15"),
    message: "databases-ephemeral: needs docker.io/library/redis:7.0.15, which the artifact does not have",
  },
  {
    part: "chart",
    values: () => withoutChart("sftd"),
    message: "has no chart sftd",
  },
  {
    part: "binary",
    values: () => withoutFile(({ kind, name }) => kind === "binary" && name === "kubeadm"),
    message: "the artifact lacks the binary kubeadm",
  },
  {
    part: "package",
    values: () => withoutFile(({ kind, name }) => kind === "apt" && name === "socat"),
    message: "the artifact lacks the Debian packages socat",
  },
])("an artifact with one $part taken out", ({ values, message }) => {
  let project: ScratchProject;
  let preview: Preview;

  beforeAll(async () => {
    project = new ScratchProject("lab", values());
    await project.init();
    preview = await project.preview();
  }, 300_000);
  afterAll(() => project.remove());

  it("is refused in the preview, by name", () => {
    expect(preview.code).not.toBe(0);
    expect(preview.text).toContain(message);
    expect(preview.text).toContain("nothing was changed");
  });
});
