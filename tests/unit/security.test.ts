import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { staticValues } from "../../components/wire/values";

const document = readFileSync("docs/security.md", "utf8");

/** The rows of the table below a heading, cell by cell, without its head. */
function tableBelow(heading: string): string[][] {
  const section = document.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe("the table of versions", () => {
  const rows = tableBelow("Versions and their end");

  it.each(rows)("has %s %s as it is pinned in %s", (_what, version, pinned, until) => {
    const text = readFileSync((pinned ?? "").replaceAll("`", ""), "utf8");
    const exact = new RegExp(`(^|[^0-9.])${version?.replaceAll(".", "\\.")}([^0-9]|$)`, "m");
    expect(text).toMatch(exact);
    expect(until).toMatch(/^(–|\d{4}-\d\d-\d\d)$/);
    if (until !== "–") expect(new Date(until ?? "").toISOString().slice(0, 10)).toBe(until);
  });

  it("has each thing once", () => {
    expect(rows.length).toBeGreaterThan(10);
    expect(new Set(rows.map(([what]) => what)).size).toBe(rows.length);
  });
});

describe("the threat model", () => {
  it("names tests that there are", () => {
    const files = document.match(/`tests\/[\w/-]+\.test\.ts`/g) ?? [];
    expect(files.length).toBeGreaterThan(5);
    for (const file of files) expect(existsSync(file.replaceAll("`", "")), file).toBe(true);
  });
});

describe("the ingress controller", () => {
  it("has no webhook that pods could reach", () => {
    expect(staticValues("ingress-nginx-controller")).toMatchObject({
      "ingress-nginx": { controller: { admissionWebhooks: { enabled: false } } },
    });
  });
});
