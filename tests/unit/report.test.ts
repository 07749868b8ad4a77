import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { projectDirectory } from "../../toolchain/environment";
import { vitest } from "../prove";

let folder: string;
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a file of tests as a stage does. */
async function prove(text: string) {
  folder = mkdtempSync(join(projectDirectory, "tests/unit/report-"));
  writeFileSync(join(folder, "sample.test.ts"), text);
  const { passed, wrong } = await vitest(`${folder}/`);
  return { passed, wrong: wrong.map((line) => line.replace(/^.*sample\.test\.ts/, "sample")) };
}

it.each([
  [
    "a test that fails",
    'it("b", () => expect(1, "one").toEqual(2));',
    "sample: b: one: expected 1 to deeply equal 2",
    1,
  ],
  [
    "what comes after tests",
    'afterAll(() => { throw new Error("x"); });',
    "sample: before or after its tests: x",
    1,
  ],
  [
    "what comes after the tests of a group",
    'describe("g", () => { it("c", () => {}); afterAll(() => { throw new Error("x"); }); });',
    "sample: g, before or after its tests: x",
    2,
  ],
  ["a file that cannot be loaded", 'throw new Error("x");', "sample: before or after its tests: x", 0],
  [
    "an error that nobody waits for",
    'it("d", async () => { Promise.reject(new Error("x")); await new Promise((resolve) => setTimeout(resolve, 50)); });',
    "outside of all tests: x",
    2,
  ],
])("names %s", async (_, text, line, passed) => {
  const report = await prove(
    `import { afterAll, describe, expect, it } from "vitest";\nvoid [afterAll, describe, expect];\nit("a", () => {});\n${text}\n`,
  );
  expect(report).toEqual({ passed, wrong: [line] });
});

it("has nothing to say of tests that pass, and refuses to have run none", async () => {
  expect(await prove('import { it } from "vitest"; it("a", () => {});')).toEqual({ passed: 1, wrong: [] });
  rmSync(join(folder, "sample.test.ts"));
  await expect(vitest(`${folder}/`)).rejects.toThrow("no test of");
});
