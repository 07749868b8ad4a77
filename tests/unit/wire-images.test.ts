import { describe, expect, it } from "vitest";
import { samples, valuesOf } from "../../cli/sample";
import type { ArtifactFile } from "../../components/artifact/manifest";
import { imageValues } from "../../components/artifact/reader/wire-charts";
import { releaseNames } from "../../components/config/releases";
import { imageProblems, type PackedImages } from "../../components/validation/wire-images";
import { planReleases } from "../../components/wire/plan";

const packed = (...references: string[]): PackedImages["images"] =>
  references.map(
    (reference, index): ArtifactFile => ({
      ...{ path: `containers-helm/${index}.tar`, archive: "a", sha256: "0", size: 1, kind: "image" },
      image: { reference, id: `sha256:${index}`, format: "docker-archive", set: "helm" },
    }),
  );

const release = { name: "sftd", chart: { chart: "charts/sftd", fingerprint: "" }, values: {} } as const;

/** What is said of a release whose pods have an image. */
const problemsWith = (image: string, artifact: Partial<PackedImages>) =>
  imageProblems([release], { images: [], unusable: new Map(), ...artifact }, async () => [
    { kind: "Job", spec: { template: { spec: { initContainers: [{ name: "one", image }] } } } },
  ]);

describe("the images of the releases", () => {
  it("are looked for as a container runtime reads them", async () => {
    const images = packed("docker.io/library/alpine:3.21.3");
    for (const image of ["alpine:3.21.3", "docker.io/alpine:3.21.3", "docker.io/library/alpine:3.21.3"])
      expect(await problemsWith(image, { images })).toEqual([]);
  });

  it("are named with another tag of the same image, or else with the most similar one", async () => {
    const images = packed(
      "quay.io/wire/sftd:5.0.65",
      "docker.io/bitnamilegacy/nginx:1.27.3",
      "docker.io/x:5.0.80",
    );
    expect(await problemsWith("quay.io/wire/sftd:5.0.80", { images })).toEqual([
      "sftd: needs quay.io/wire/sftd:5.0.80, which the artifact does not have; the nearest is quay.io/wire/sftd:5.0.65",
    ]);
    expect(await problemsWith("docker.io/bitnami/nginx:1.27.3", { images })).toEqual([
      expect.stringContaining("the nearest is docker.io/bitnamilegacy/nginx:1.27.3"),
    ]);
    expect(await problemsWith("nginx:1", {})).toEqual([
      "sftd: needs nginx:1, which the artifact does not have",
    ]);
  });

  it("cannot be pulled by a digest out of an archive that keeps none", async () => {
    const image = `ghcr.io/cert/job:1@sha256:${"5".repeat(64)}`;
    expect(await problemsWith(image, { images: packed("ghcr.io/cert/job:1") })).toEqual([
      `sftd: needs ${image}, and the artifact has ghcr.io/cert/job:1 in an archive that keeps no digest: it cannot ` +
        "be pulled by one. Set the chart's value for the digest to an empty text",
    ]);
    const kept = packed(`ghcr.io/cert/job@sha256:${"5".repeat(64)}`);
    expect(await problemsWith(image, { images: kept })).toEqual([]);
  });

  it.each([
    ["quay.io/wire/sftd:5.0.65", "quay.io_wire_sftd_5.0.65.tar"],
    ["alpine:3.21.3", "alpine_3.21.3.tar"],
    [`a.b/c:1@sha256:${"5".repeat(64)}`, `a.b_c_1@sha256_${"5".repeat(64)}.tar`],
  ])("are told to be damaged where the artifact's file of %s is", async (image, file) => {
    const unusable = new Map([[`containers-helm/${file}`, "lacks layer.tar, a part of the image"]]);
    expect(await problemsWith(image, { unusable })).toEqual([
      `sftd: needs ${image}, which cannot be used: containers-helm/${file} lacks layer.tar, a part of the image`,
    ]);
  });

  it("are unknown where a chart cannot be rendered: Helm says why", async () => {
    const problems = await imageProblems([release], { images: [], unusable: new Map() }, async () => {
      throw new Error("execution error at (sftd/templates/ingress.yaml:1): host is required");
    });
    expect(problems).toEqual([
      "sftd: the chart cannot be rendered: execution error at (sftd/templates/ingress.yaml:1): host is required",
    ]);
  });
});

describe("the values of the releases", () => {
  it("name no image themselves: which there are is the chart's and the artifact's to say", async () => {
    for (const sample of samples)
      for (const name of releaseNames)
        expect(imageValues(await valuesOf(name, sample)), `${name}, ${sample.name}`).toEqual({});
  });

  it("take the images that the artifact names for a chart, unless the operator names others", () => {
    const artifactCharts = [
      { name: "sftd", values: { joinCall: { image: { repository: "nginx", tag: "1" } } } },
      { name: "reaper", values: { image: { tag: "2" } } },
    ];
    const chart = () => release.chart;
    const [sample] = samples;
    if (!sample) throw new Error("there are two");
    const values = { sftd: { joinCall: { image: { tag: "3" } } } };
    const of = (name: string) =>
      planReleases(sample.context, { chart, artifactCharts, values }).find((one) => one.name === name)
        ?.values;
    expect(of("sftd")).toMatchObject({
      replicaCount: 1,
      joinCall: { replicaCount: 1, image: { repository: "nginx", tag: "3" } },
    });
    expect(of("reaper")).toEqual({ image: { tag: "2" } });
    expect(imageValues(of("webapp"))).toEqual({});
  });
});
