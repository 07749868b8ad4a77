import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { plain } from "../../cli/sample";
import { type ReleaseName, releaseNames, releases } from "../../components/config/releases";
import { type ConfigurationError, validate } from "../../components/validation/validate";
import { chartFacts, chartRelease, knownReleases, releaseWarning } from "../../components/wire/facts";
import { planReleases, type ReleaseSources } from "../../components/wire/plan";
import { withoutPaths } from "../../components/wire/values";
import { labValues, surroundings } from "../stacks";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-facts-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Puts charts of a release of Wire's into the folder. */
function putCharts(version: string, without: readonly string[] = [], more: readonly string[] = []): void {
  for (const name of [...Object.keys(chartFacts("5.32")?.charts ?? {}), ...more]) {
    if (without.includes(name)) continue;
    mkdirSync(join(folder, name));
    const its = name === "wire-server" ? version : (chartFacts("5.32")?.charts[name] ?? "1.0.0");
    writeFileSync(join(folder, name, "Chart.yaml"), `name: ${name}\nversion: ${its}\n`);
  }
}

const planned = (sources: Partial<ReleaseSources>) =>
  new Map(
    planReleases(plain, { chart: (name) => ({ chart: name, fingerprint: "" }), ...sources }).map(
      ({ name, values }) => [name, values as any],
    ),
  );

describe("what is known of Wire's releases", () => {
  it("begins with the one whose charts a Helm repository is asked for, in the very versions", () => {
    expect(knownReleases()).toEqual(["5.32", "5.33", "5.34"]);
    const charts: Readonly<Record<string, string>> = chartFacts("5.32")?.charts ?? {};
    expect(Object.fromEntries(releaseNames.map((name) => [name, charts[name]]))).toEqual(
      Object.fromEntries(releaseNames.map((name) => [name, releases[name].version])),
    );
  });

  it("names only values that the program sets", () => {
    for (const release of knownReleases())
      for (const [name, paths] of Object.entries(chartFacts(release)?.unknown ?? {}))
        for (const path of paths) {
          const all = planned({}).get(name as ReleaseName);
          expect(withoutPaths(all, [path]), `${release}: ${path}`).not.toEqual(all);
        }
  });
});

describe("values that a release does not take", () => {
  it("are taken out with what is below them, and nothing else", () => {
    const values = { a: { b: { c: 1, d: 2 }, e: 3 }, f: "g", "a-x": 1 };
    expect(withoutPaths(values, ["a.b", "f", "h.i", "a.e.z"])).toEqual({ a: { e: 3 }, "a-x": 1 });
  });

  it("are not set where that is known: background-worker has galley's, gundeck has Redis", () => {
    const {
      galley,
      gundeck,
      "background-worker": worker,
    } = planned({ facts: chartFacts("5.32") }).get("wire-server");
    expect(worker.config).not.toHaveProperty("postgresql");
    expect(worker.config).not.toHaveProperty("federationDomain");
    expect(worker.secrets).toEqual({ rabbitmq: expect.anything() });
    expect(galley.config.postgresql.host).toBe("postgresql-external-rw");
    expect(gundeck.config).not.toHaveProperty("postgresql");
    expect(gundeck.config.redis.host).toBe("databases-ephemeral-redis-ephemeral");
  });

  it("are set where nothing is known: a later gundeck does not start without PostgreSQL", () => {
    const { gundeck, "background-worker": worker } = planned({}).get("wire-server");
    expect(gundeck.config.postgresql).toMatchObject({
      host: "postgresql-external-rw",
      dbname: "wire-server",
    });
    expect(gundeck.secrets.pgPassword).toBeDefined();
    expect(worker.config.postgresql).toBeDefined();
  });

  it("can be set by the operator all the same", () => {
    const values = { "wire-server": { gundeck: { config: { postgresql: { host: "other" } } } } };
    const { gundeck } = planned({ facts: chartFacts("5.32"), values }).get("wire-server");
    expect(gundeck.config.postgresql).toEqual({ host: "other" });
  });
});

describe("charts of a release", () => {
  const gone = ["databases-ephemeral", "reaper"] as const;

  it("are those that are known of it, without a word", () => {
    putCharts("5.33.0");
    expect(chartRelease({ directory: folder })).toMatchObject({
      release: "5.33",
      facts: { charts: { reaper: "5.33.0" } },
      dropped: [],
    });
    expect(releaseWarning({ directory: folder })).toBeUndefined();
  });

  it("that is not known yet are compared with the last that is", () => {
    putCharts("5.36.0", gone, ["wire-presence"]);
    expect(releaseWarning({ directory: folder })).toMatch(
      /^the charts are of Wire's release 5\.36, of which this program knows nothing \(it knows 5\.32, 5\.33, 5\.34\): .*Compared with 5\.34: charts that are new: wire-presence; charts that are gone: databases-ephemeral, .*reaper.*; other versions: .*wire-server 5\.34\.0 → 5\.36\.0/,
    );
  });

  it("that Wire has given up are not installed", () => {
    putCharts("5.36.0", gone);
    const { dropped, facts } = chartRelease({ directory: folder });
    expect(dropped).toEqual(gone);
    const names = [...planned({ dropped, facts }).keys()];
    for (const name of gone) expect(names).not.toContain(name);
    expect(names).toContain("wire-server");
  });

  it("are known from the names of their archives as well", () => {
    writeFileSync(join(folder, "wire-server-5.33.0.tgz"), "");
    writeFileSync(join(folder, "reaper.tgz"), "");
    expect(chartRelease({ directory: folder })).toMatchObject({
      release: "5.33",
      dropped: [],
    });
  });
});

describe("the configuration", () => {
  /** What is said of the lab's charts without some of them, being of a release of Wire's. */
  function problemsWithout(charts: readonly string[], version: string): string[] {
    const values = labValues("full");
    cpSync(values.wire.charts.directory, folder, { recursive: true });
    for (const name of charts) rmSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "wire-server/Chart.yaml"), `name: wire-server\nversion: ${version}\n`);
    values.wire.charts.directory = folder;
    try {
      validate(values, surroundings);
      return [];
    } catch (error) {
      return (error as ConfigurationError).problems.map(({ message }) => message);
    }
  }

  it("is refused without a chart that its release of Wire has", () => {
    expect(problemsWithout(["reaper", "sftd"], "5.32.0")).toEqual([
      expect.stringContaining("has no chart reaper, sftd:"),
    ]);
  });

  it("is accepted without one that Wire may have given up, and not without another", () => {
    expect(problemsWithout(["reaper", "databases-ephemeral"], "5.36.0")).toEqual([]);
    rmSync(folder, { recursive: true });
    expect(problemsWithout(["reaper", "sftd"], "5.36.0")).toEqual([
      expect.stringContaining("has no chart sftd"),
    ]);
  });
});
