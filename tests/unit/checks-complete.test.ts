import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspect } from "../../checks/inspect";
import { checkDns } from "../../checks/outside";
import type { StackRecord } from "../../checks/record";
import { Remote } from "../../checks/remote";
import { Report } from "../../checks/report";
import { projectDirectory } from "../../toolchain/environment";
import { machine } from "../fixtures/checks";
import { type DnsServer, startDnsServer } from "../fixtures/dns-server";

const read = (path: string) => readFileSync(join(projectDirectory, path), "utf8");
const sourcesIn = (folder: string, pattern: RegExp) =>
  readdirSync(join(projectDirectory, folder))
    .filter((name) => pattern.test(name))
    .map((name) => ({ name, text: read(join(folder, name)) }));

/** What a check's name is made of, each part that differs as a star: `* : node` of `${name}: node`. */
const starred = (name: string) => name.replace(/\$\{[^}]*\}/g, "*");

/** The names of all checks that `verify` makes, as its sources have them. */
function checks(): string[] {
  const sources = sourcesIn("checks", /\.ts$/).filter(({ name }) => name !== "report.ts");
  const found = sources.flatMap(({ name, text }) => {
    const calls = [...text.matchAll(/\.check\(\s*(?:"([^"]+)"|`([^`]+)`|(\w+))/g)];
    expect(calls.length, name).toBe(text.split(/\.check\(/).length - 1);
    // A name in a variable stands in the lines before it.
    return calls.flatMap(([, plain, template, variable]) =>
      variable === undefined
        ? [plain ?? starred(template as string)]
        : (variables[`${name} ${variable}`] ?? [`unknown: ${name} ${variable}`]),
    );
  });
  return [...new Set(found)].sort();
}

/** Names of checks that stand in variables. */
const variables: Readonly<Record<string, readonly string[]>> = {
  "backups.ts name": ["backup of *", "backup of * on *"],
  "host.ts domain": ["*-datanode1"],
  // Of what gives nothing at all: below.
  "inspect.ts name": ["*: answers"],
};

/** Names that tests say to fail where their subject is broken. */
function failing(): string[] {
  return sourcesIn("tests/unit", /^checks.*\.test\.ts$/).flatMap(({ text }) => {
    const rows = [...text.matchAll(/\[\s*(?:"([^"]+)"|`([^`]+)`),\s*\/(?!\/)/g)];
    const keys = [
      ...text.matchAll(/toEqual\(\{\s*"([^"]+)":/g),
      ...text.matchAll(/toEqual\(\["([^"]+)"\]\)/g),
      ...text.matchAll(/\.failures\)\.toContain\("([^"]+)"\)/g),
    ];
    const said = [...text.matchAll(/[`^/"]fail ([^:`"]+(?:: [a-z]+(?=:))?)/g)].map(([, name]) => [
      "",
      (name as string).replaceAll("\\", ""),
    ]);
    return [...rows, ...keys, ...said].map(([, plain, template]) => plain ?? (template as string));
  });
}

const matches = (pattern: string, name: string) =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".+")}$`,
  ).test(name.replace(/\$\{[^}]*\}/g, "x"));

describe("each check of verify", () => {
  it("is known by its name", () => {
    expect(checks().length).toBeGreaterThan(35);
    expect(checks().filter((name) => name.startsWith("unknown"))).toEqual([]);
  });

  it("fails in a test where its subject is broken", () => {
    const tested = failing();
    // What differs altogether from one to the other would match anything.
    const all = checks().filter((name) => !["** *", "* *", "**"].includes(name));
    expect(all.filter((name) => !tested.some((one) => matches(name, one)))).toEqual([]);
  });
});

describe("names in the DNS", () => {
  let dns: DnsServer;
  beforeAll(async () => {
    dns = await startDnsServer();
  });
  afterAll(() => dns.close());

  const domain = "wire.example.com";
  const dnsRecords = [
    { name: `webapp.${domain}`, type: "A", value: "203.0.113.10" },
    { name: domain, type: "TXT", value: "v=spf1 ip4:203.0.113.10 -all" },
  ] as const;

  it.each([
    ["webapp.wire.example.com", /^missing; it should be 203\.0\.113\.10$/, [dnsRecords[1]], []],
    [
      "webapp.wire.example.com",
      /^wrong: 198\.51\.100\.1; it should be/,
      [{ ...dnsRecords[0], value: "198.51.100.1" }, dnsRecords[1]],
      [],
    ],
    ["webapp.wire.example.com", /^unanswered: EREFUSED/, [dnsRecords[1]], [`webapp.${domain}`]],
    [
      "wire.example.com",
      /^wrong: v=spf1 -all; it should be/,
      [dnsRecords[0], { ...dnsRecords[1], value: "v=spf1 -all" }],
      [],
    ],
  ] as const)("%s: %s", async (name, said, records, refused) => {
    Object.assign(dns, { records, refused });
    const report = new Report(() => {});
    await checkDns(report, { domain, dnsRecords: [...dnsRecords] }, dns.address);
    const failed = report.entries.filter(({ state }) => state === "fail");
    expect(failed).toMatchObject([
      { name: expect.stringContaining(name), text: expect.stringMatching(said) },
    ]);
    expect(report.entries).toHaveLength(2);
  });
});

describe("a deployment of which nothing answers", () => {
  it("has a failure in each section, and nothing that passes", async () => {
    const dead = (name: string) => new Remote(name, ["sh", "-c", "echo no route to host >&2; exit 255"]);
    const machines = (["assethost", "kubenode", "datanode"] as const).map((role) => ({
      ...machine,
      ...{ role, name: `${role}1` },
    }));
    const record = {
      outputs: {
        ...{ domain: "lab.wiab.test", dnsRecords: [], publicAddress: "203.0.113.10", machines },
        ...{ network: { name: "wirebox", gateway: "192.0.2.1" }, assets: { url: "http://192.0.2.10" } },
        ...{ kubeconfig: "hidden", wire: { urls: { webapp: "https://webapp.lab.wiab.test" } } },
        ...{ mesh: { gateway: "kubenode1" }, dataServices: undefined },
      },
      resources: [{ name: "host-preflight-host", type: "", inputs: {}, outputs: {} }],
      deployment: {},
    } as unknown as StackRecord;
    const report = new Report(() => {});
    const reach = { host: dead("host"), machine: dead, other: dead };
    await inspect(report, record, reach, { from: dead("outside") });
    const sections = [...new Set(report.entries.map(({ section }) => section))].sort();
    expect(sections).toEqual([
      ...["DNS", "asset host and backups", "data services", "data services, as Wire uses them", "host"],
      ...[
        "kubernetes",
        "machines",
        "mesh",
        "public names and relay, from the asset host",
        "seen from outside",
      ],
    ]);
    expect(report.entries.filter(({ state }) => state === "ok")).toEqual([]);
    const silent = sections.filter(
      (section) => !report.entries.some((entry) => entry.section === section && entry.state === "fail"),
    );
    // There is nothing to ask the DNS for below .test.
    expect(silent).toEqual(["DNS"]);
    expect(report.failures).toContain("datanode1: answers");
    expect(report.conclude()).toBe(1);
  });
});
