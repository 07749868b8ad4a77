import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { manifestOf, wasimoffImages } from "../fixtures/wasimoff";
import { labValues, type Values } from "../stacks";
import { type Run, runProgram } from "./program";

let folder: string;
let without: Run;
let offered: Run;
let local: Run;

/** A lab with Wasimoff; its certificate has signed itself, so the public name is one with a front of its own. */
const withWasimoff = (wasimoff: Values): Values => {
  const values = labValues("small");
  const manifest = join(folder, "manifest.json");
  writeFileSync(manifest, JSON.stringify(manifestOf(Object.values(wasimoffImages))));
  return {
    ...values,
    wasimoff: { images: wasimoffImages, ...wasimoff },
    artifact: { ...values.artifact, sources: [...values.artifact.sources, { manifest, location: "/b" }] },
  };
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wiab-wasimoff-"));
  without = await runProgram("lab", labValues("small"));
  const { makeCertificate } = await import("../../lab/certificate");
  const certificate = await makeCertificate(folder, "lab.wiab.test");
  const { certificateFile, privateKeyFile } = certificate;
  offered = await runProgram(
    "lab",
    withWasimoff({
      certificate: { certificateFile, privateKeyFile },
      privateAuthority: true,
      providers: { replicas: 2 },
    }),
  );
  local = await runProgram("lab", withWasimoff({ mode: "localhost", providers: { replicas: 2 } }));
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true }));

const added = ({ resources }: Run) => {
  const before = new Set(without.resources.map(({ name }) => name));
  return resources.map(({ name }) => name).filter((name) => !before.has(name));
};
const of = ({ resources }: Run, name: string) => resources.find((one) => one.name === name)?.inputs;

describe("a stack with wasimoff", () => {
  it("has broker, providers and a front, and nothing else that it had not", () => {
    expect(added(offered).sort()).toEqual([
      "secrets-wasimoff",
      "wasimoff",
      "wasimoff-broker",
      "wasimoff-certificate",
      "wasimoff-closed",
      "wasimoff-ingress",
      "wasimoff-namespace",
      "wasimoff-policy-broker",
      "wasimoff-policy-closed",
      "wasimoff-policy-provider",
      "wasimoff-provider",
      "wasimoff-service",
      "wasimoff-storage",
      "wasimoff-token",
    ]);
    const names = (run: Run) => run.resources.map(({ name }) => name);
    expect(names(without).filter((name) => !names(offered).includes(name))).toEqual([]);
  });

  it("shows its token to nobody: the cluster gets a hash, and the output is a secret", () => {
    const token = "secretswasimoff";
    const secret = offered.resources.find(({ name }) => name === "wasimoff-token");
    expect(secret?.inputs.stringData.auth).toMatch(/^wasimoff:\{SHA\}[A-Za-z0-9+/]{27}=$/);
    expect(
      JSON.stringify(offered.resources.filter(({ type }) => type.startsWith("kubernetes:"))),
    ).not.toContain(token);
    expect(offered.outputs.wasimoff.token).toContain(token);
    expect(offered.secretOutputs).toContain("wasimoff");
  });

  it("says where it is and how to join", () => {
    expect(offered.outputs.wasimoff).toMatchObject({
      url: "https://wasimoff.lab.wiab.test/",
      client: { BROKER: "https://wasimoff.lab.wiab.test" },
      providerCommand: expect.stringMatching(/^docker run .*wasimoff-provider:1$/),
    });
    expect("wasimoff" in without.outputs).toBe(false);
    expect(of(offered, "wasimoff-provider")?.spec.replicas).toBe(2);
  });

  it("on one machine has one pod, and neither front nor token", () => {
    expect(added(local).filter((name) => /ingress|token|certificate|provider$|closed$/.test(name))).toEqual([
      "wasimoff-policy-closed",
      "wasimoff-policy-provider",
    ]);
    expect(of(local, "wasimoff-broker")?.spec.template.spec.containers).toHaveLength(3);
    expect(local.outputs.wasimoff).toMatchObject({
      url: "http://localhost:4080/",
      providerCommand: null,
      token: null,
    });
  });
});
