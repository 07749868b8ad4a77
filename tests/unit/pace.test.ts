import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { minutesHere } from "../pace";
import { stages } from "../stages";

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "wiab-pace-"));
  vi.stubEnv("WIAB_CACHE", cache);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

it.each([
  ["nothing has run yet", 20, 0, 0, 20],
  ["all went as measured", 20, 10, 10, 20],
  ["all went quicker", 20, 5, 10, 20],
  ["all took half as long again", 20, 15, 10, 30],
])("expects, when %s, of %i minutes after %i for %i: %i", (_, measured, gone, expected, here) => {
  expect(minutesHere(measured, gone, expected)).toBe(here);
});

it("has time for the whole of npm test in CI, even with an empty cache", () => {
  const needs = new Set(stages.flatMap((stage) => stage.needs));
  const preparing = [...needs].reduce((sum, need) => sum + need.minutes(), 0);
  const testing = stages.reduce((sum, stage) => sum + stage.minutes, 0);
  expect(preparing).toBeGreaterThan(30);
  // As .ci/run has it.
  expect(preparing + testing).toBeLessThanOrEqual(85);
});
