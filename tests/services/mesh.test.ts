import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Report } from "../../checks/report";
import { ensurePackages } from "../../lab/host/packages";
import { MeshLab } from "../acceptance/mesh/lab";
import { bringUp } from "../acceptance/mesh-up";
import { meshPackages, verify } from "../acceptance/mesh-verify";

// `npm run lab:mesh` and `npm run mesh:verify` as a test.

let lab: MeshLab;
let own = false;
let before: string;
const namespaces = () => execFileSync("ip", ["netns", "list"], { encoding: "utf8" });

beforeAll(async () => {
  if (MeshLab.isThere)
    throw new Error('there is a lab of the mesh already: run "npm run lab:mesh -- --destroy" first');
  own = true;
  await ensurePackages("for the checks", meshPackages);
  before = namespaces();
  lab = await bringUp();
}, 900_000);
afterAll(async () => {
  if (own) await MeshLab.destroy();
});

it("passes every check", { timeout: 1_800_000 }, async () => {
  const report = new Report();
  await verify(lab, report);
  expect(report.failures).toEqual([]);
});

it("leaves nothing", async () => {
  await MeshLab.destroy();
  expect(namespaces()).toBe(before);
  expect(MeshLab.isThere).toBe(false);
});
