import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { issueCertificate } from "../../components/mesh/issue";
import { certificateRequest } from "../fixtures/mesh-authority";
import { problemsOf } from "./refused";

// The set-up of docs/mesh.md by the letter.

const text = readFileSync(join(__dirname, "../../docs/mesh.md"), "utf8");
/** Blocks of code of a language, in order, without what they are indented by. */
const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\n([\\s\\S]*?)^\\1\`\`\``, "gm"))].map(
    ([, indent = "", block = ""]) => block.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
let folder: string;
const file = (name: string) => readFileSync(join(folder, name), "utf8");

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-mesh-docs-"));
  execFileSync("sh", ["-ec", blocks("sh")[0] ?? ""], { cwd: folder, stdio: "pipe" });
});
afterAll(() => rmSync(folder, { recursive: true }));

it("has a configuration that is accepted with the authority that its command makes", () => {
  const [yaml = ""] = blocks("yaml");
  const mesh = parse(yaml)["wiab-staging:mesh"];
  const refusals = problemsOf(
    (config) => {
      delete config.artifact;
      config.mesh = mesh;
    },
    { readText: file },
  );
  expect(refusals).toEqual([]);
  expect(
    planMesh(schema.parse(mesh), { publicAddress: "", machines: [], ingress: ["10.0.0.1"] }),
  ).toMatchObject({
    site: { zone: "a.pmd.internal" },
    services: [{ label: "wire", port: 443 }],
    access: [{ label: "web-box", ports: [8080], peers: ["b.pmd.internal"] }],
  });
});

it("has a command for an authority whose certificates openssl believes", async () => {
  const site = { zone: "a.pmd.internal", prefix: "fd51:1:1:1::/64" };
  const signs = { certificate: file("authority.pem"), privateKey: file("authority.key") };
  const certificate = await issueCertificate(
    (await certificateRequest()).toString("pem"),
    site,
    signs,
    new Date(),
  );
  const verified = execFileSync(
    "openssl",
    ["verify", "-x509_strict", "-CAfile", join(folder, "authority.pem")],
    {
      input: certificate,
      encoding: "utf8",
    },
  );
  expect(verified).toContain("OK");
});
