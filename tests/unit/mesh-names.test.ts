import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Claim, labelOf, settle } from "../../components/config/mesh-names";

const claim = (name: string, created: number, id = `${name}@${created}`): Claim => ({
  source: "container",
  id,
  name,
  created,
});

/** Who has which label, and who none. */
const outcome = (claims: readonly Claim[], collisions: "refuse" | "suffix" = "refuse") =>
  Object.fromEntries(
    settle(claims, collisions).map((one) => [one.claim.id, "label" in one ? one.label : undefined]),
  );

describe("a name's label", () => {
  // The gateway's program has the same rule for what joins by itself, and the same examples, the guide's own first.
  it.each(JSON.parse(readFileSync("mesh/names/vectors.json", "utf8")) as [string, string][])(
    "of %j is %j",
    (name, label) => {
      expect(labelOf(name)).toBe(label);
    },
  );
});

describe("claims", () => {
  it("are published in lower case, so that names which DNS cannot tell apart collide", () => {
    expect(outcome([claim("Web_Server", 1, "a"), claim("web.server", 2, "b")])).toEqual({
      a: "web-server",
      b: undefined,
    });
  });

  it("bring the former name back when the one that has it goes, whichever that is", () => {
    const [first, second] = [claim("a.b", 1, "first"), claim("a_b", 2, "second")];
    expect(outcome([first, second])).toEqual({ first: "a-b", second: undefined });
    expect(outcome([second])).toEqual({ second: "a-b" });
    expect(outcome([first])).toEqual({ first: "a-b" });
  });

  it("do not depend on the order in which they are told", () => {
    const claims = [claim("a.b", 1), claim("a_b", 1), claim("a-b", 3), claim("c", 2)];
    expect(outcome([...claims].reverse(), "suffix")).toEqual(outcome(claims, "suffix"));
  });

  it("get a suffix that stays where one is asked for, and that takes nobody's own name", () => {
    const [first, second, third] = [claim("a.b", 1, "1"), claim("a_b", 2, "2"), claim("a-b", 3, "3")];
    const all = outcome([first, second, third], "suffix");
    expect(all["1"]).toBe("a-b");
    expect(all["2"]).toMatch(/^a-b-[0-9a-f]{6}$/);
    expect(outcome([first, second], "suffix")["2"]).toBe(all["2"]);
    const squatter = claim(all["2"] as string, 4, "4");
    expect(outcome([first, second, squatter], "suffix")).toEqual({
      "1": "a-b",
      "2": undefined,
      "4": all["2"],
    });
  });

  it("keep to 63 characters with their suffix", () => {
    const long = "x".repeat(63);
    const second = outcome([claim(long, 1, "1"), claim(`_${long}`, 2, "2")], "suffix")["2"];
    expect(second).toMatch(/^x{56}-[0-9a-f]{6}$/);
  });

  it.each([
    ["___", /no Latin letter/],
    ["x".repeat(64), /64 characters/],
    ["NS", /becomes ns, which is the site's own/],
    ["wg", /site's own/],
  ])("are refused for %j with the reason", (name, reason) => {
    expect(settle([claim(name, 1)], "suffix")).toEqual([
      { claim: claim(name, 1), refused: expect.stringMatching(reason) },
    ]);
  });
});
