import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { MeshAuthority } from "../fixtures/mesh-authority";
import { stagingValues, type Values } from "../stacks";
import { ScratchProject } from "./project";

// What the engine itself answers where the mesh's further sites are asked of stacks (tests/unit/mesh-stacks.test.ts).

const files = mkdtempSync(join(tmpdir(), "wiab-mesh-"));
const other = "organization/wiab-staging/b";
let project: ScratchProject;

beforeAll(async () => {
  const mesh: Values = { site: "a", gateway: "assethost", stacks: [other] };
  const { site } = planMesh(schema.parse({ ...mesh, identity: {} }), {
    publicAddress: "",
    machines: [],
    ingress: [],
  });
  const authority = await MeshAuthority.make("mesh");
  const { certificate, privateKey } = await authority.issue(site.zone, site.prefix);
  const file = (name: string, text: string) => {
    writeFileSync(join(files, name), text, { mode: 0o600 });
    return join(files, name);
  };
  mesh.identity = {
    certificateFile: file("site.pem", certificate),
    privateKeyFile: file("site.key", privateKey),
    authorityFile: file("authority.pem", authority.certificate),
  };
  const values: Values = { ...stagingValues(), mesh };
  values.firewall.privateDeployment = true;
  for (const section of ["artifact", "tls", "wire"]) delete values[section];
  project = new ScratchProject("staging", values);
  await project.init();
}, 900_000);
afterAll(() => {
  project?.remove();
  rmSync(files, { recursive: true });
});

it("leaves out a stack that does not exist, and has one that does among its peers", async () => {
  const missing = await project.preview();
  expect({ code: missing.code, diagnostics: missing.diagnostics }).toEqual({
    code: 0,
    diagnostics: expect.stringContaining(`mesh.stacks: ${other} does not exist yet; it is left out`),
  });

  const outputs = {
    mesh: { site: "b", zone: "b.pmd.internal", prefix: "fd51:0:0:b::/64", endpoint: "b.example.com:1194" },
  };
  await project.makeStack("b", outputs);
  const { code, diagnostics, text } = await project.preview();
  expect(code, diagnostics).toBe(0);
  expect(diagnostics).not.toContain("mesh.stacks");
  expect(missing.text).not.toContain("1194");
  expect(text).toContain("1194");
}, 1_800_000);
