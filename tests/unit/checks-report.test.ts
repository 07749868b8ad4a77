import { describe, expect, it } from "vitest";
import { Report } from "../../checks/report";

/** Ends when told to. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

const reporting = () => {
  const lines: string[] = [];
  return { lines, report: new Report((line) => lines.push(line)) };
};

describe("the report of the checks", () => {
  it("makes sections side by side, and prints each whole as it ends", async () => {
    const { lines, report } = reporting();
    const [first, second] = [gate(), gate()];
    const made = report.sections({
      slow: async (section) => {
        await section.check("a", () => "begun");
        first.open();
        await second.passed;
        await section.check("b", () => "ended");
      },
      quick: async (section) => {
        // It would wait for ever if the slow one had to end before.
        await first.passed;
        await section.check("c", () => "seen");
        setImmediate(second.open);
      },
    });
    await made;
    expect(lines).toEqual([
      ...["quick", "  ok    c: seen"],
      ...["slow", "  ok    a: begun", "  ok    b: ended"],
    ]);
    expect(report.conclude()).toBe(0);
    expect(lines.at(-1)).toBe("\n3 passed, 0 failed");
  });

  it("prints what is said of several things in the things' order", async () => {
    const { lines, report } = reporting();
    const last = gate();
    await report.each(["one", "two"], async (part, thing) => {
      if (thing === "one") await last.passed;
      await part.check(thing, () => "there");
      part.note(`of ${thing}`);
      last.open();
    });
    expect(lines).toEqual(["  ok    one: there", "  note  of one", "  ok    two: there", "  note  of two"]);
  });

  it("counts what fails anywhere in it", async () => {
    const { lines, report } = reporting();
    await report.sections({
      section: (section) =>
        section.each(["good", "bad"], (part, thing) =>
          part.check(thing, () => {
            if (thing === "bad") throw new Error("broken\nin two lines");
            return "fine";
          }),
        ),
    });
    expect(report.failures).toEqual(["bad"]);
    expect(report.conclude()).toBe(1);
    expect(lines).toContain("  FAIL  bad: broken\n        in two lines");
    expect(lines.at(-1)).toBe("\n1 passed, 1 failed");
  });

  it("ends with what a section throws, once the others have ended and are printed", async () => {
    const { lines, report } = reporting();
    const after = gate();
    const made = report.sections({
      broken: async () => {
        setImmediate(after.open);
        throw new Error("no answer");
      },
      whole: async (section) => {
        await after.passed;
        await section.check("a", () => "seen");
      },
    });
    await expect(made).rejects.toThrow("no answer");
    expect(lines).toEqual(["broken", "whole", "  ok    a: seen"]);
  });

  it("says at once what it waits for, and again when that is something else", async () => {
    const { lines, report } = reporting();
    const come = ["a", "b", "b", ""];
    const seen: string[][] = [];
    await report.sections({
      slow: (section) =>
        section.patiently(60, async (part) => {
          seen.push([...lines]);
          const missing = come.shift();
          for (const name of ["a", "b"])
            await part.check(name, () => {
              if (name === missing) throw new Error("not yet");
              return "there";
            });
        }),
    });
    const waits = ["a", "b"].map((name) => `  wait  slow: ${name}, for 60 s at most`);
    expect(seen).toEqual([[], waits.slice(0, 1), waits, waits]);
    expect(lines).toEqual([...waits, "slow", "  ok    a: there", "  ok    b: there"]);
  });

  it("is no success without a check", () => {
    expect(reporting().report.conclude()).toBe(1);
  });
});
