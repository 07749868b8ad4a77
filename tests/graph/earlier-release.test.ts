import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import { afterAll, expect, it } from "vitest";
import { labValues } from "../stacks";
import { ScratchProject } from "./project";

// The state of a full lab as `ScratchProject.record` wrote it with the program of November 2026, when scripts went by
// standard input whole; what they said is left out.
const state = JSON.parse(
  brotliDecompressSync(readFileSync("tests/fixtures/states/lab-full-0.1.json.br")).toString(),
);

const project = new ScratchProject("lab", labValues("full"));
afterAll(() => project.remove());

it("a stack of an earlier release is taken on in place: nothing is replaced, and one random text deleted", {
  timeout: 1_800_000,
}, async () => {
  await project.init();
  await project.restore(state);
  const { code, changes, text } = await project.preview();
  expect(code, text).toBe(0);
  // The one key that all nodes brought their backups with; each has its own now.
  expect(
    changes
      .filter(({ operation }) => !["update", "create"].includes(operation))
      .map(({ operation, name }) => `${operation} ${name}`),
  ).toEqual(["delete secrets-backup"]);
  const known = state.deployment.resources.filter(({ type }: { type: string }) => /^command:/.test(type));
  expect(known.length).toBeGreaterThan(100);
  expect(changes.filter(({ before }) => before.stdin)).toHaveLength(known.length);
});
