import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { forgetFormer, keepBundlesOf } from "../../lab/bundle";

let cache: string;

beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), "wiab-cache-"));
  vi.stubEnv("WIAB_CACHE", cache);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

it("keeps the bundles of labs and the two that were asked for last", () => {
  const bundle = (name: string) => join(cache, "bundle", name);
  const names = ["of-a-lab", "of-a-lab-that-is-gone", "old", "last", "this"];
  for (const [index, name] of names.entries()) {
    mkdirSync(bundle(name), { recursive: true });
    utimesSync(bundle(name), index, index);
  }
  const stackFile = (name: string) => join(cache, `Pulumi.${name}.yaml`);
  for (const name of ["of-a-lab", "of-a-lab-that-is-gone"]) {
    writeFileSync(stackFile(name), `location: ${bundle(name)}\n`);
    keepBundlesOf(stackFile(name));
  }
  rmSync(stackFile("of-a-lab-that-is-gone"));
  forgetFormer(bundle("this"));
  expect(names.filter((name) => existsSync(bundle(name)))).toEqual(["of-a-lab", "last", "this"]);
});
