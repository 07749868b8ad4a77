import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { stateFiles } from "../../toolchain/environment";
import { freshStack, TestLab } from "../fixtures/lab";

// What the project is for: a small lab from nothing to nothing. Each test goes on where the one before it has ended;
// tests/e2e has what goes wrong on the way.
const minutes = 60_000;
let lab: TestLab;
let isUp = false;

beforeAll(async () => {
  lab = new TestLab(await freshStack());
}, 10 * minutes);

afterAll(() => lab.destroy(), 10 * minutes);

beforeEach(({ task, skip }) => {
  if (!isUp && task.name !== first) skip("the lab did not come up");
});

const first = "comes up from nothing";

it(first, { timeout: 40 * minutes }, async () => {
  const report = await lab.succeed("lab", "--size", "small");
  expect(report).toMatch(/The lab is up: 3 machines/);
  isUp = true;
});

it("passes every check from outside", { timeout: 20 * minutes }, async () => {
  const report = await lab.succeed("lab:verify");
  expect(report).toMatch(/^\d+ passed, 0 failed$/m);
  expect(Number(/^(\d+) passed/m.exec(report)?.[1])).toBeGreaterThan(35);
});

it("is left alone by another up, which changes nothing", { timeout: 10 * minutes }, async () => {
  const before = await lab.domainIds();
  await lab.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
  expect(await lab.domainIds()).toEqual(before);
  const { machines } = await lab.outputs();
  const own = machines.filter(({ existing }) => !existing).map(({ name }) => name);
  expect(own).toContain("assethost");
  expect(Object.keys(before).sort()).toEqual(own.sort());
});

it("keeps no secret in plain text", { timeout: 2 * minutes }, async () => {
  const { sshPrivateKey } = await lab.outputs();
  const lines = sshPrivateKey.trim().split("\n").slice(1, -1);
  expect(lines.length).toBeGreaterThan(3);
  const files = readdirSync(stateFiles().backend, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
  for (const text of [await lab.pulumi("stack", "export"), ...files])
    expect(text.includes("PRIVATE KEY") || lines.some((line) => text.includes(line))).toBe(false);
});

it("gets back a machine whose plug was pulled, and only that one", { timeout: 20 * minutes }, async () => {
  const { assethost: former, ...others } = await lab.domainIds();
  expect(former).toBeDefined();
  await lab.virsh("destroy", "assethost");
  await lab.pulumi("refresh", "--yes", "--skip-preview");
  const report = await lab.pulumi("up", "--yes", "--skip-preview");
  expect(report).toMatch(/assethost-\S+ (?:updat|replac|creat)/);
  expect(report).not.toMatch(/(kube|data)node1-\S+ (creat|updat|replac|delet)/);
  const { assethost, ...untouched } = await lab.domainIds();
  expect(assethost).toBeDefined();
  expect(untouched).toEqual(others);
  const name = await lab.succeed("lab:ssh", "assethost", "hostname");
  expect(name.trim()).toBe("assethost");
});

it("is gone afterwards and leaves nothing", { timeout: 10 * minutes }, async () => {
  await lab.destroy();
  expect(await lab.leftovers()).toEqual([]);
});
