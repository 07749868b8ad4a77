import { describe, expect, it } from "vitest";
import { lengthOf, longestChain, parseTimings, type StampedLine, sumOf } from "../bench/chain";
import { familyKiB } from "../bench/memory";
import { partsOf, renderParts } from "../bench/parts";
import { makeRow, renderMarkdown, renderScreen, replaceSection } from "../bench/report";
import { renderTimeline } from "../bench/timeline";

type Kind = "resourcePreEvent" | "resOutputsEvent" | "resOpFailedEvent";

/** A line of the log: second, event and resource; names that start with a capital are components. */
function line(second: number, kind: Kind, name: string, op = "create"): StampedLine {
  const self = { custom: name === name.toLowerCase() };
  const resource = op === "delete" ? { new: null, old: self } : { new: self, old: null };
  return {
    at: 1_700_000_000_000 + second * 1000,
    line: JSON.stringify({ [kind]: { metadata: { op, urn: urn(name), ...resource } } }),
  };
}

const urn = (name: string) => `urn:pulumi:test::test::test:index:Thing::${name}`;

/** A log of steps that went well: name, first and last second. */
const log = (...steps: [name: string, from: number, to: number][]): StampedLine[] =>
  steps
    .flatMap(([name, from, to]) => [line(from, "resourcePreEvent", name), line(to, "resOutputsEvent", name)])
    .sort((a, b) => a.at - b.at);

const resource = (name: string, ...dependencies: string[]) => ({
  urn: urn(name),
  dependencies: dependencies.map(urn),
});

const shown = (chain: ReturnType<typeof longestChain>) =>
  chain.map(({ urn, seconds }) => `${urn.split("::").at(-1)} ${seconds}`);

describe("parseTimings", () => {
  it("takes the time between a resource's two events, to the millisecond", () => {
    const { seconds, failed, unfinished } = parseTimings(log(["a", 0, 1.25], ["b", 0.5, 3]));
    expect([...seconds]).toEqual([
      [urn("a"), 1.25],
      [urn("b"), 2.5],
    ]);
    expect([failed, unfinished]).toEqual([[], []]);
  });

  it("ignores components, whose time is their children's, and events of other kinds", () => {
    const other = { at: 1_700_000_000_000, line: '{"sequence":0,"preludeEvent":{"config":{}}}' };
    const timings = parseTimings([other, ...log(["Component", 0, 60], ["a", 10, 12])]);
    expect([...timings.seconds]).toEqual([[urn("a"), 2]]);
  });

  it("counts outputs that are reported twice once", () => {
    const lines = [...log(["a", 0, 2]), line(9, "resOutputsEvent", "a")];
    expect(parseTimings(lines).seconds.get(urn("a"))).toBe(2);
  });

  it("adds up the steps of a replacement, even where they overlap", () => {
    const lines = [
      line(0, "resourcePreEvent", "a", "create-replacement"),
      line(1, "resourcePreEvent", "a", "delete"),
      line(4, "resOutputsEvent", "a", "create-replacement"),
      line(6, "resOutputsEvent", "a", "delete"),
    ];
    expect(parseTimings(lines).seconds.get(urn("a"))).toBe(4 + 5);
  });

  it("names what failed and what had not ended, with the time until then", () => {
    const lines = [
      line(0, "resourcePreEvent", "hanging"),
      line(1, "resourcePreEvent", "failing"),
      line(3, "resOpFailedEvent", "failing"),
      line(10, "resourcePreEvent", "last"),
    ];
    const { seconds, failed, unfinished } = parseTimings(lines);
    expect(failed).toEqual([urn("failing")]);
    expect(unfinished).toEqual([urn("hanging"), urn("last")]);
    expect([...seconds]).toEqual([
      [urn("failing"), 2],
      [urn("hanging"), 10],
      [urn("last"), 0],
    ]);
  });

  it("knows deletions, which have a former self alone", () => {
    const lines = [line(0, "resourcePreEvent", "a", "delete"), line(3, "resOutputsEvent", "a", "delete")];
    expect(parseTimings(lines).seconds.get(urn("a"))).toBe(3);
  });
});

describe("longestChain", () => {
  it("goes through the longer of two parallel branches", () => {
    const timings = parseTimings(
      log(["start", 0, 1], ["short", 1, 2], ["long", 1, 6], ["end", 6, 8], ["alone", 0, 7]),
    );
    const chain = longestChain(
      [
        resource("start"),
        resource("short", "start"),
        resource("long", "start"),
        resource("alone"),
        resource("end", "short", "long"),
      ],
      timings,
    );
    expect(shown(chain)).toEqual(["start 1", "long 5", "end 2"]);
    expect(lengthOf(chain)).toBe(8);
    expect(sumOf(timings)).toBe(1 + 1 + 5 + 2 + 7);
  });

  it("goes through a component that takes no time itself", () => {
    const chain = longestChain(
      [
        resource("a"),
        { ...resource("Component", "a") },
        { urn: urn("child"), parent: urn("Component") },
        resource("b"),
      ],
      parseTimings(log(["a", 0, 2], ["child", 2, 5], ["b", 0, 4])),
    );
    expect(shown(chain)).toEqual(["a 2", "Component 0", "child 3"]);
  });

  it("waits for the provider, a property's resource and what it is deleted with", () => {
    const timings = parseTimings(log(["x", 0, 1], ["y", 1, 4]));
    for (const edge of [
      { provider: `${urn("x")}::0d2c-id` },
      { propertyDependencies: { none: null, triggers: [urn("x")] } },
      { deletedWith: urn("x") },
    ])
      expect(shown(longestChain([resource("x"), { urn: urn("y"), ...edge }], timings))).toEqual([
        "x 1",
        "y 3",
      ]);
  });

  it("takes no time for a resource without events and leaves former selves out", () => {
    const chain = longestChain(
      [resource("a"), { ...resource("a"), delete: true }, resource("quiet", "a"), resource("b", "quiet")],
      parseTimings(log(["a", 0, 1], ["b", 1, 2])),
    );
    expect(shown(chain)).toEqual(["a 1", "quiet 0", "b 1"]);
  });

  it("refuses a state whose order is broken", () => {
    expect(() => longestChain([resource("a", "b"), resource("b")], parseTimings([]))).toThrow(
      /::a depends on .*::b, which the state does not have before it/,
    );
  });

  it("is empty for an empty state", () => {
    expect(longestChain([], parseTimings([]))).toEqual([]);
  });
});

describe("familyKiB", () => {
  it("adds up a process and its descendants and nobody else", () => {
    const processes = [
      { pid: 1, parent: 0, residentKiB: 1000 },
      { pid: 10, parent: 1, residentKiB: 100 },
      { pid: 11, parent: 10, residentKiB: 20 },
      { pid: 12, parent: 11, residentKiB: 3 },
      { pid: 20, parent: 1, residentKiB: 500 },
    ];
    expect(familyKiB(processes, 10)).toBe(123);
    expect(familyKiB(processes, 99)).toBe(0);
  });
});

describe("the report", () => {
  const state = [resource("network"), resource("machine", "network"), resource("other")];
  const timings = parseTimings(log(["network", 0, 1], ["machine", 1, 5], ["other", 0, 3]));
  const measurement = { wallSeconds: 7.5, peakMiB: 123.4, timings };
  const idle = { wallSeconds: 3, peakMiB: 50, timings: parseTimings([]) };
  const result = {
    name: "small",
    subject: "the small lab",
    facts: { cpus: 2, memoryMiB: 24 * 1024, kvm: false, os: "Some OS" },
    date: "2026-01-31",
    rows: [
      makeRow("up", measurement, state),
      makeRow("preview", idle, state, 2),
      makeRow("destroy", measurement, state),
    ],
  };

  it("has wall, sum, chain, their ratio, memory and the ratio to an empty preview", () => {
    const lines = renderMarkdown(result).split("\n");
    expect(lines).toContain("| up | 7.5 s | 8.0 s | 5.0 s | 1.50 | 123 MiB | – |");
    expect(lines).toContain("| preview | 3.0 s | 0.0 s | 0.0 s | – | 50 MiB | 1.50 |");
    expect(lines[0]).toMatch(/^2026-01-31, the small lab, on 2 cores, 24 GiB, no KVM/);
  });

  it("spells chains out in the order in which they were gone through", () => {
    for (const text of [renderMarkdown(result), renderScreen(result)]) {
      expect(text).toContain("up: network (1.0 s) → machine (4.0 s)");
      expect(text).toContain("destroy: machine (4.0 s) → network (1.0 s)");
      expect(text).not.toContain("preview: ");
    }
  });

  it("replaces its own section of the page and nothing else", () => {
    const page = "a\n<!-- bench:small -->\nold\n<!-- /bench:small -->\nb\n";
    const replaced = replaceSection(page, "small", "new");
    expect(replaced).toBe("a\n<!-- bench:small -->\nnew\n<!-- /bench:small -->\nb\n");
    expect(replaceSection(replaced, "small", "new")).toBe(replaced);
    expect(() => replaceSection(page, "full", "new")).toThrow(/<!-- bench:full -->/);
  });
});

describe("the parts of an up", () => {
  const timings = parseTimings(
    log(
      ["cassandra-programs-datanode1", 0, 2],
      ["cassandra-datanode1", 4, 10],
      ["minio-datanode1", 0, 5],
      ["kubenode1-login", 1, 2],
      ["kubernetes-addons", 7, 9],
      ["wiring", 0, 100],
    ),
  );

  it("last from the first of their steps to the last one, waiting included", () => {
    expect(partsOf(timings)).toEqual([
      { name: "cassandra", wallSeconds: 10, sumSeconds: 8 },
      { name: "minio", wallSeconds: 5, sumSeconds: 5 },
      { name: "all five data services", wallSeconds: 10, sumSeconds: 13 },
      { name: "Kubernetes, from the first login to all nodes ready", wallSeconds: 8, sumSeconds: 3 },
    ]);
  });

  it("are shown beside the longest service", () => {
    expect(renderParts(partsOf(timings))).toContain("1.00 times as long as the longest of them");
    expect(renderParts(partsOf(parseTimings(log(["wiring", 0, 1]))))).not.toContain("longest");
  });
});

describe("the picture of a run", () => {
  const timings = parseTimings(
    log(["first", 0, 10], ["slow<1>", 10, 100], ["beside", 10, 20], ["quick", 20, 20.5]),
  );
  const chain = longestChain(
    [resource("first"), resource("slow<1>", "first"), resource("beside"), resource("quick")],
    timings,
  );
  const picture = renderTimeline("a day & a machine", timings, chain);
  const bars = [
    ...picture.matchAll(/<rect x="([\d.]+)" y="\d+" width="([\d.]+)" height="10" fill="(#\w+)"/g),
  ].map(([, x, width, fill]) => ({ x: Number(x), width: Number(width), fill }));

  it("has a bar as long as each resource took, and those of the chain in another colour", () => {
    const [first, beside, slow] = bars;
    expect(bars).toHaveLength(3);
    expect((slow?.width ?? 0) / (first?.width ?? 1)).toBeCloseTo(9, 1);
    expect(slow?.x).toBeCloseTo((first?.x ?? 0) + (first?.width ?? 0), 0);
    expect(first?.fill).toBe(slow?.fill);
    expect(beside?.fill).not.toBe(slow?.fill);
  });

  it("is well-formed whatever a resource is called, and says what is too short to be drawn", () => {
    expect(picture).toContain("a day &amp; a machine");
    expect(picture).toContain("slow&lt;1&gt;");
    expect(picture).toContain("1 resources of less than 1.0 s each are not drawn");
  });

  it("is not drawn of a run without work", () => {
    expect(() => renderTimeline("", parseTimings([]), [])).toThrow(/nothing to draw/);
  });
});
