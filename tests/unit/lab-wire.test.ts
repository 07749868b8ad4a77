import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readSpecification } from "../../bundle/read";
import { binaryFacts, packageFacts } from "../../cli/release-facts";
import { projectDirectory } from "../../toolchain/environment";

// The lab's archive in Wire's layout against what is known of Wire's release 5.32.

interface Row {
  readonly part: string;
  readonly binary?: string;
  readonly wire?: string;
  readonly lab?: string;
  readonly why?: string;
}

const file = (name: string) => join(projectDirectory, name);
const differences: {
  readonly programs: Readonly<Record<string, Row>>;
  readonly packages: readonly Row[];
  readonly renamed: Readonly<Record<string, string>>;
  readonly "left out": Readonly<Record<string, string>>;
} = parse(readFileSync(file("lab/wire/versions.yaml"), "utf8"));
const { specification } = readSpecification(file("lab/wire.yaml"));
const facts = binaryFacts("5.32");

/** The table of docs/lab.md. */
function table(): string[] {
  const programs = Object.entries(differences.programs).map(([name, row]): Row => {
    const binary = specification.binaries.find((each) => each.name === row.binary);
    return { ...row, wire: facts.versions[name], lab: row.lab ?? binary?.version };
  });
  return [
    "| | Wire 5.32 | the lab | why |",
    "| --- | --- | --- | --- |",
    ...[...programs, ...differences.packages].map(
      ({ part, wire, lab, why }) => `| ${part} | ${wire} | ${lab} | ${why ?? "the same"} |`,
    ),
  ];
}

describe("the lab's archive in Wire's layout", () => {
  it("has Wire's list of packages and nothing else", () => {
    const { asked } = packageFacts("5.32").apt;
    const { renamed, "left out": leftOut } = differences;
    for (const name of [...Object.keys(renamed), ...Object.keys(leftOut)]) expect(asked).toContain(name);
    const wanted = asked.filter((name) => !(name in leftOut)).map((name) => renamed[name] ?? name);
    expect([...(specification.apt?.packages ?? [])].sort()).toEqual(wanted.sort());
  });

  it("has as files the packages that Wire has as files", () => {
    const files = facts.files.flatMap((name) => /^(.+)_.+_(amd64|all)\.deb$/.exec(name)?.[1] ?? []);
    // psycopg2 is for Wire's playbooks.
    expect([...(specification.apt?.files ?? [])].sort()).toEqual(
      files.filter((name) => name !== "python3-psycopg2").sort(),
    );
  });

  it("stands beside what stands beside Wire's, and what lab:verify takes", () => {
    const packages = (name: string) => readSpecification(file(name)).specification.apt?.packages;
    const { apt } = parse(readFileSync(file("bundle/asset-host-jammy.yaml"), "utf8"));
    expect(packages("lab/asset-host.yaml")).toEqual([...apt.packages, "hello"]);
    expect(readSpecification(file("lab/asset-host.yaml")).specification.apt?.suite).toBe(
      specification.apt?.suite,
    );
  });

  it("accounts in docs/lab.md for every program of Wire's and its version", () => {
    expect(Object.keys(differences.programs).sort()).toEqual(Object.keys(facts.versions).sort());
    const [, section = ""] = readFileSync(file("docs/lab.md"), "utf8").split(
      "## An archive in Wire's layout\n",
    );
    const lines = section.split(/^## /m)[0]?.split("\n");
    expect(lines?.filter((line) => line.startsWith("|"))).toEqual(table());
  });
});
