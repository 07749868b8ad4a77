import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { projectDirectory } from "../../toolchain/environment";
import { type Broken, edited, wholeFile } from "../fixtures/broken/base";
import { makeFiles, place } from "../fixtures/broken/files";
import { spoiled } from "../fixtures/broken/spoiled";
import { judge } from "../fuzz/stack-files";

const folder = mkdtempSync(join(tmpdir(), "wiab-broken-"));
afterAll(() => rmSync(folder, { recursive: true }));
makeFiles(folder, "lab.wiab.test");

const whole = wholeFile();
const name = "Pulumi.fuzz.yaml";
const publicKey = readFileSync(join(folder, "key.pub"), "utf8").trim();
const withFiles = (text: string) => text.replaceAll(place, folder).replaceAll("PUBLIC", publicKey);

/** The kinds of broken files, and how many of each there are at least: docs/input.md has the numbers. */
const kinds = {
  crash: 45,
  numbers: 60,
  addresses: 70,
  names: 60,
  "users-keys": 75,
  certificates: 30,
  late: 50,
  silence: 10,
  words: 20,
} as const;

const rowsOf = (kind: string): readonly Broken[] =>
  parse(readFileSync(join(projectDirectory, `tests/fixtures/broken/${kind}.yaml`), "utf8"));

/** What is said of a file, one line a problem, without what comes before the problems. */
function saidOf(text: string): readonly string[] {
  const { refusal, warnings } = judge(withFiles(text));
  const lines =
    refusal === undefined
      ? warnings
      : refusal.split("\n").filter((line) => !/nothing was changed:$/.test(line));
  expect(lines.join("\n")).not.toMatch(/undefined|\bNaN\b|\[object |\n\s+at .*:\d+|Infinity/);
  return lines;
}

/** The line of a message for a key. */
function lineFor(lines: readonly string[], key: string, said: string): string {
  const found = lines.find(
    (line) =>
      (line.startsWith(`  - ${key}: `) || line.startsWith(`${key}: `) || line.startsWith(`${key}:`)) &&
      line.includes(said),
  );
  expect(found ?? lines, `${key}: ${said}`).toBeTypeOf("string");
  return found as string;
}

it("is made of a file that is taken, with nothing to say but of the host's key", () => {
  expect(judge(withFiles(whole))).toEqual({
    warnings: [expect.stringMatching(/^host\.ssh\.hostKey is missing/)],
  });
});

describe.each(Object.entries(kinds))("a broken file: %s", (kind, least) => {
  const rows = rowsOf(kind);

  it(`has ${least} of its kind at least`, () => expect(rows.length).toBeGreaterThanOrEqual(least));

  it.each(rows)("%s", (_what, edits, key, said) => {
    const { text, lines } = edited(whole, edits);
    const message = lineFor(saidOf(text), key, said);
    const edit = [...lines.keys()].find(
      (one) => key === one || key.startsWith(`${one}.`) || key.startsWith(`${one}[`),
    );
    // A warning has no line, and a rule across keys may name the line of the other one.
    if (edit !== undefined && message.startsWith("  - "))
      expect(message).toContain(`(${name}:${lines.get(edit)})`);
  });
});

describe.each(Object.entries(spoiled))("a file that is broken as a text: %s", (_kind, rows) => {
  it.each([...rows])("%s", (_what, made, key, said) => {
    lineFor(saidOf(made(whole)), key, said);
  });
});
