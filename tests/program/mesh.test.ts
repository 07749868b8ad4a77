import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { certificateRequest, type Issued, MeshAuthority } from "../fixtures/mesh-authority";
import { fixtureBundle, labValues, type Values } from "../stacks";
import { type Run, runProgram } from "./program";

let folder: string;
let identity: Issued;
let without: Run;
let joined: Run;
let alone: Run;
let authorityKey: string;

/** The manifest of what bundle/mesh.yaml makes. */
function meshManifest(): string {
  const checksum = (digit: string) => digit.repeat(64);
  const archive = { name: "binaries.tar", sha256: checksum("a"), size: 100_000 };
  const binary = (name: string, digit: string) => ({
    ...{ path: `binaries/${name}`, archive: archive.name, sha256: checksum(digit), size: 50_000 },
    ...{ kind: "binary", name, version: "1", source: name, licence: "Apache-2.0" },
  });
  const files = [binary("coredns", "b"), binary("wiab-mesh", "c")];
  const path = join(folder, "manifest.json");
  writeFileSync(
    path,
    JSON.stringify({ format: 1, name: "wiab-mesh", layout: "bundle", archives: [archive], apt: [], files }),
  );
  return path;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wiab-mesh-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const authority = await MeshAuthority.make("mesh");
  const mesh: Values = { site: "a", gateway: "assethost", peers: [{ site: "b", endpoint: "b.example.com" }] };
  const paths = { certificateFile: "-", privateKeyFile: "-", authorityFile: "-" };
  const { site } = planMesh(schema.parse({ ...mesh, identity: paths }), {
    publicAddress: "",
    machines: [],
    ingress: [],
  });
  identity = await authority.issue(site.zone, site.prefix);
  mesh.identity = {
    certificateFile: file("site.pem", identity.certificate),
    privateKeyFile: file("site.key", identity.privateKey),
    authorityFile: file("authority.pem", authority.certificate),
  };
  const values = labValues("small");
  without = await runProgram("lab", values);
  const location = "/bundles/mesh";
  const meshed = (changed: Values) => ({
    ...values,
    mesh,
    artifact: {
      ...values.artifact,
      sources: [...values.artifact.sources, { manifest: meshManifest(), location }],
    },
    ...changed,
  });
  joined = await runProgram("lab", meshed({}));
  authorityKey = await authority.privateKey();
  const {
    tls: _,
    wire: __,
    backup: ___,
    ...platform
  } = meshed({
    machines: values.machines.filter(({ role }: Values) => role === "assethost"),
    mesh: {
      ...mesh,
      identity: {
        authorityFile: file("authority.pem", authority.certificate),
        authorityKeyFile: file("authority.key", authorityKey),
        revoked: ["4a01"],
      },
    },
  }) as Values;
  const request = (await certificateRequest()).toString("pem");
  alone = await runProgram("lab", platform, [], [], () => [], {
    // As keys.sh prints it on a gateway.
    "mesh-keys": JSON.stringify({ publicKeys: [], request }),
  });
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true }));

const named = ({ resources }: Run) => resources.map(({ name }) => name).sort();

describe("a stack that joins a mesh", () => {
  it("has a gateway on the machine that it names, and nothing else that it had not", () => {
    expect(readFileSync(join(fixtureBundle, "manifest.json"), "utf8")).not.toContain("wiab-mesh");
    const before = new Set(named(without));
    const added = named(joined).filter((name) => !before.has(name));
    expect(added).toEqual([
      "mesh",
      ...["assethost", "datanode1"].map((machine) => `mesh-${machine}-names`),
      "mesh-gateway",
      "mesh-kubenode1-names",
      "mesh-programs",
      "mesh-services",
      ...["account", "binding", "gateway", "role", "token"].map((part) => `mesh-services-${part}`),
    ]);
    expect([...before].filter((name) => !named(joined).includes(name))).toEqual([]);
  });

  it("hands the key over by standard input, as a secret", () => {
    const gateway = joined.resources.find(({ name }) => name === "mesh-gateway");
    const [, secret = ""] = identity.privateKey.split("\n");
    expect(gateway?.inputs.stdin).toContain(secret);
    expect(gateway?.secretInputs).toContain("stdin");
    expect(JSON.stringify({ ...gateway?.inputs, stdin: "" })).not.toContain(secret);
  });

  it("tells others where it is, and a stack without a mesh tells nothing", () => {
    expect(joined.outputs.mesh).toMatchObject({ zone: "a.pmd.internal" });
    expect("mesh" in without.outputs).toBe(false);
  });
});

describe("a stack that is a gateway alone, and whose authority is its own", () => {
  const inputsOf = (name: string) => alone.resources.find((one) => one.name === name)?.inputs;

  it("has the asset host and the gateway, and neither cluster nor data services", () => {
    const names = named(alone);
    expect(names).toEqual(expect.arrayContaining(["mesh-keys", "mesh-gateway", "mesh-assethost-names"]));
    const others = (all: string[]) =>
      all.filter((name) => /^(kubernetes|cassandra|postgresql|minio|mesh-services)/.test(name));
    expect(others(names)).toEqual([]);
    expect(others(named(joined)).length).toBeGreaterThan(10);
    expect(alone.outputs).toMatchObject({ kubeconfig: null, dataServices: null, wire: null });
  });

  it("gives the gateway a certificate for the key that it has made, and keeps the authority's to itself", () => {
    const { certificate, gateway } = alone.outputs.mesh;
    expect(gateway).toBe("assethost");
    expect(new X509Certificate(certificate).subjectAltName).toMatch(
      /^DNS:a\.pmd\.internal, URI:urn:wiab:mesh:fd51:/,
    );
    expect(inputsOf("mesh-gateway")?.stdin).toContain(certificate.trim().split("\n")[1]);
    expect(inputsOf("mesh-gateway")?.stdin).toContain("-----BEGIN X509 CRL-----");
    expect(alone.secretOutputs).not.toContain("mesh");
    expect(JSON.stringify(alone)).not.toContain(authorityKey.split("\n")[1]);
  });
});
