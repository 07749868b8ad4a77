import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { checkChart, type RunHelm } from "../../cli/chart";
import { findUnknown, leavesOf, type Render } from "../../cli/effects";
import { releasesOf, samples, valuesOf } from "../../cli/sample";
import { releaseNames, releases } from "../../components/config/releases";
import { findChart } from "../../components/wire/charts";
import type { Values } from "../../components/wire/values";

const at = (values: Values, path: string): any =>
  path.split(".").reduce((section: any, key) => section?.[key], values);

describe("values that a chart does not know", () => {
  const unknownOf = async (values: Values, render: Render, alternatives = {}) =>
    (await findUnknown(values, await render(values), render, alternatives)).map((path) => path.join("."));

  it("are those whose change changes nothing", async () => {
    const values = { host: "a", replicaCount: 3, tls: { enabled: true, list: ["x"] }, typo: "b", extra: 1 };
    const render: Render = async (given) =>
      `${at(given, "host")} ${at(given, "replicaCount")} ${at(given, "tls.enabled")} ${at(given, "tls.list")}`;
    expect(leavesOf(values).map((path) => path.join("."))).toEqual([
      "host",
      "replicaCount",
      "tls.enabled",
      "tls.list",
      "typo",
      "extra",
    ]);
    expect(await unknownOf(values, render)).toEqual(["typo", "extra"]);
  });

  it("are found though they are in base64 in a secret, or counted as a checksum", async () => {
    const render: Render = async (given) =>
      `data: ${Buffer.from(`password: ${at(given, "password")}`).toString("base64")}\nsum: ${at(given, "key")?.length}`;
    expect(await unknownOf({ password: "secret", key: "four", other: "x" }, render)).toEqual(["other"]);
  });

  it("are none that a chart refuses to have changed, or only compares with one that is known", async () => {
    const render: Render = async (given) => {
      if (at(given, "kind") !== "ClusterIssuer") throw new Error("kind must be ClusterIssuer");
      return `${at(given, "env") === "staging"}`;
    };
    const values = { kind: "ClusterIssuer", env: "prod" };
    expect(await unknownOf(values, render)).toEqual(["env"]);
    expect(await unknownOf(values, render, { env: "staging" })).toEqual([]);
  });

  it("are none whose absence is noticed, be it that of the chart's own value or of ours alone", async () => {
    const withDefault: Render = async (given) => `${at(given, "flag") === null}`;
    expect(await unknownOf({ flag: "on" }, withDefault)).toEqual([]);
    const hasKey: Render = async (given) => `${Object.keys(parse(stringify(given)) ?? {}).includes("flag")}`;
    expect(await unknownOf({ flag: true }, hasKey)).toEqual([]);
  });

  it("are not taken for known by the time of rendering", async () => {
    let second = 10;
    const render: Render = async () => `at: 2026-06-01T00:00:${second++}Z`;
    expect(await unknownOf({ replicaCount: 3 }, render)).toEqual(["replicaCount"]);
  });
});

describe("the samples that charts are tried with", () => {
  it("have every release that needs no values of the operator's", () => {
    const tried = new Set(samples.flatMap(releasesOf));
    expect(releaseNames.filter((name) => !tried.has(name))).toEqual(["smallstep-accomp"]);
  });

  it("differ in where the certificate comes from, and give values as Helm reads them", async () => {
    const [own, acme] = samples;
    if (!own || !acme) throw new Error("there are two");
    const [ownTls, acmeTls] = [await valuesOf("sftd", own), await valuesOf("sftd", acme)];
    expect(at(ownTls, "tls.crt")).toContain("CERTIFICATE");
    expect(at(acmeTls, "tls.issuerRef.name")).toBe("letsencrypt-http01-staging");
    const text = JSON.stringify(await valuesOf("wire-server", acme));
    expect(JSON.parse(text)).toEqual(parse(stringify(JSON.parse(text))));
  });
});

describe("the check of a release's chart", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wiab-charts-test-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const makeChart = (name: string) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "Chart.yaml"), `name: ${name}\nversion: 1.2.3\n`);
  };
  /** In Helm's place: a chart whose template is a function. */
  const helmOf =
    (template: (values: Values) => string): RunHelm =>
    async (...args) =>
      args[0] === "show"
        ? "version: 1.2.3"
        : template(parse(readFileSync(args[args.indexOf("--values") + 1] as string, "utf8")));
  const check = (template: (values: Values) => string) =>
    checkChart("sftd", { directory: folder }, helmOf(template), folder);

  it("says that there is no chart", async () => {
    expect(await check(() => "")).toMatchObject({
      version: undefined,
      problem: expect.stringContaining("has no chart sftd"),
    });
  });

  it("passes one that renders and knows all values, over all samples", async () => {
    makeChart("sftd");
    const report = await check((values) => JSON.stringify(values));
    expect(report).toMatchObject({ version: "1.2.3", unknown: [], problem: undefined });
    expect(report.values).toBeGreaterThan(5);
  });

  it("names a value that means something in no sample, and none that does in one", async () => {
    makeChart("sftd");
    const report = await check((values) =>
      JSON.stringify({
        ...values,
        allowOrigin: undefined,
        // Heeded with a certificate of one's own alone.
        host: at(values, "tls.crt") ? values.host : undefined,
      }),
    );
    expect(report.unknown).toEqual(["allowOrigin"]);
  });

  it("gives Helm's own words for a required value that nobody sets, and with which sample", async () => {
    makeChart("sftd");
    const report = await check((values) => {
      if (!at(values, "tls.crt"))
        throw new Error("helm template ended with 1:\nwarning: old\nError: execution error: crt is required");
      return JSON.stringify(values);
    });
    expect(report.problem).toBe("Let's Encrypt, with everything: execution error: crt is required");
  });
});

describe("the chart of a release", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wiab-charts-test-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const put = (path: string, text: string) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const find = (release: Parameters<typeof findChart>[1] = "webapp") =>
    findChart({ directory: folder }, release);

  it("is a folder or an archive of its name, never one whose name only begins like it", () => {
    put("wire-server-enterprise-1.0.0.tgz", "another chart");
    expect(() => find("wire-server")).toThrow("has no chart wire-server");
    put("wire-server-5.32.0.tgz", "the chart");
    expect(find("wire-server").chart).toBe(join(folder, "wire-server-5.32.0.tgz"));
    put("webapp/Chart.yaml", "name: webapp\n");
    expect(find().chart).toBe(join(folder, "webapp"));
  });

  it("is refused where there are several", () => {
    put("webapp-1.0.0.tgz", "one");
    put("webapp-2.0.0.tgz", "another");
    expect(() => find()).toThrow("several charts webapp (webapp-1.0.0.tgz, webapp-2.0.0.tgz)");
  });

  it("is another one with another file, whatever its version says", () => {
    put("webapp/Chart.yaml", "name: webapp\n");
    put("webapp/templates/a.yaml", "kind: A\n");
    const before = find().fingerprint;
    expect(find().fingerprint).toBe(before);
    put("webapp/templates/a.yaml", "kind: B\n");
    expect(find().fingerprint).not.toBe(before);
  });

  it("comes from a repository in the pinned version", () => {
    expect(findChart({ repository: "https://charts.example.com" }, "webapp")).toEqual({
      chart: "webapp",
      version: releases.webapp.version,
      repositoryOpts: { repo: "https://charts.example.com" },
      fingerprint: releases.webapp.version,
    });
    expect(findChart({ repository: "oci://registry.example.com/charts/" }, "webapp").chart).toBe(
      "oci://registry.example.com/charts/webapp",
    );
  });
});
