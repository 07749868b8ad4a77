import { expect, it } from "vitest";
import { Progress } from "../../toolchain/progress";

const minutes = 60_000;
const shown = (isTTY: boolean) => {
  const written: string[] = [];
  let time = 0;
  const screen = { isTTY, write: (text: string) => written.push(text) > 0 };
  const parts = [
    { name: "toolchain", minutes: 10 },
    { name: "bundle", minutes: 30 },
  ];
  const progress = new Progress(parts, screen as never, () => time);
  return { progress, written, pass: (more: number) => (time += more * minutes) };
};

it("says how long the rest takes at the pace so far", () => {
  const { progress, pass } = shown(false);
  expect(progress.line()).toMatch(/^·{30} 0 %, about 40 min left$/);
  pass(20);
  progress.done("toolchain");
  expect(progress.line()).toMatch(/^█{8}·{22} 25 %, about 60 min left$/);
  pass(5);
  progress.done("bundle");
  expect(progress.line()).toMatch(/^█{30} 100 %/);
});

it("promises no end while the first part takes longer than everything should", () => {
  const { progress, pass } = shown(false);
  pass(80);
  expect(progress.line()).toContain("0 %, about 80 min left");
});

it("writes a line for each part where nobody watches, and none for what it does not know", () => {
  const { progress, written } = shown(false);
  progress.done("something else");
  progress.done("toolchain");
  progress.done("toolchain");
  expect(written).toHaveLength(1);
  expect(written[0]).toMatch(/ 25 %, about \d+ min left\n$/);
});
