import { describe, expect, it } from "vitest";
import { expectEqual } from "../../lab/drills/ground";
import { failing, type Summary } from "../../lab/verify/page";

const check = (name: string, ok: boolean) => ({ name, ok, at: "2026-06-01T00:00:00Z" });

describe("what the page says", () => {
  it("is each dependency that fails, once for all pods, and a service of which no pod answers", () => {
    const summary: Summary = {
      services: [
        {
          service: "brig",
          ready: false,
          pods: [
            { pod: "brig-1", checks: [check("cassandra", true), check("rabbitmq", false)] },
            { pod: "brig-2", checks: [check("cassandra", true), check("rabbitmq", false)] },
          ],
        },
        { service: "galley", ready: true, pods: [{ pod: "galley-1", checks: [check("mls", true)] }] },
        // What Go makes of a list with nothing in it.
        { service: "spar", ready: false, error: "no pod answers", pods: null },
      ],
    };
    expect(failing(summary)).toEqual(["brig: rabbitmq", "spar: no pod answers"]);
  });
});

describe("a drill", () => {
  it("is content with what it expects in any order, and says what is too much and what is missing", () => {
    expect(() => expectEqual(["b", "a"], ["a", "b"])).not.toThrow();
    expect(() => expectEqual([], [])).not.toThrow();
    expect(() => expectEqual(["a", "c"], ["a", "b"])).toThrow(/^too much: c; missing: b$/);
    expect(() => expectEqual([], ["b"])).toThrow(/^missing: b$/);
  });
});
