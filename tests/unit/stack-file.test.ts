import { describe, expect, it } from "vitest";
import { readStackFile, strayKeys } from "../../components/validation/stack-file";
import { ConfigurationError, validate } from "../../components/validation/validate";
import { stagingValues, surroundings, type Values } from "../stacks";

const project = "wiab-staging";
const read = (text: string) => readStackFile("Pulumi.x.yaml", text, project);

/** What is said of a value that stands at `machines[0].vcpus`, on the third line. */
const saidOf = (word: string) =>
  read(`config:\n  wiab-staging:machines:\n    - {vcpus: ${word}}\n`).problems.map(
    ({ key, message, line }) => `${key}:${line} ${message}`,
  );

describe("a word with two readings", () => {
  it.each([
    ["010", "8", "10"],
    ["-010", "-8", "-10"],
    ["0o17", '"0o17"', "15"],
    ["0b101", "5", '"0b101"'],
    ["1_000", "1000", '"1_000"'],
    ["12:30", "750", '"12:30"'],
    ["02:30:00", "9000", '"02:30:00"'],
    ["yes", "true", '"yes"'],
    ["Off", "false", '"Off"'],
    ["n", "false", '"n"'],
    ["2024-01-31", "the time 2024-01-31T00:00:00.000Z", '"2024-01-31"'],
  ])("%s is refused with both of them", (word, older, newer) => {
    expect(saidOf(word)).toEqual([
      expect.stringContaining(`machines[0].vcpus:3 ${word} is ${older} in YAML 1.1 and ${newer} in YAML 1.2`),
    ]);
  });

  it.each(["8", "64.5", "true", "null", "~", "kvm", '"010"', "'no'", "192.168.1.1", "10.0.0.0/8"])(
    "%s has one reading",
    (word) => expect(saidOf(word)).toEqual([]),
  );

  it("is refused for digits that are lost on the way", () => {
    expect(saidOf("64.10000000000000000001")).toEqual([
      expect.stringContaining("machines[0].vcpus:3 has more digits than a number keeps"),
    ]);
    expect(saidOf("9007199254740993")).toHaveLength(1);
    expect(saidOf("100000000000000000000")).toEqual([]);
  });

  it("is not shown where it may be a secret", () => {
    for (const where of ["mail:\n    relay: {password: WORD}", "wire:\n    values: {brig: {pin: WORD}}"])
      for (const word of ["0123", "12345678901234567890123"]) {
        const [problem, ...others] = read(
          `config:\n  wiab-staging:${where.replace("WORD", word)}\n`,
        ).problems;
        expect(others).toEqual([]);
        expect(problem?.message).toMatch(/put (it|text) in quotes/);
        expect(problem?.message).not.toContain(word);
      }
  });
});

describe("what the engine passes over", () => {
  it("is a second document", () => {
    expect(
      read("config:\n  wiab-staging:domain: a.b\n---\nconfig:\n  wiab-staging:domain: c.d\n").problems,
    ).toEqual([{ key: "Pulumi.x.yaml", message: expect.stringContaining("second YAML document"), line: 4 }]);
  });

  it("is a key beside config", () => {
    expect(read("confg:\n  wiab-staging:domain: a.b\n").problems).toEqual([
      { key: "confg", message: expect.stringContaining("did you mean config?"), line: 1 },
    ]);
    expect(read("encryptionsalt: v1:a=\nconfig: {}\n").problems).toEqual([]);
  });

  it.each([
    ["wiab-stagin:domain", "did you mean wiab-staging:domain?"],
    ["wiab:netwrok", "this program's keys begin with wiab-staging:"],
    ["wiab_staging:netwrok", "did you mean wiab-staging:network?"],
    ["aws:region", "this program's keys begin with wiab-staging:"],
    ["libvirt:host", "did you mean wiab-staging:host?"],
  ])("is %s, a key of another namespace", (key, message) => {
    expect(
      strayKeys([key, "wiab-staging:domain", "pulumi:tags"], project, ["domain", "host", "network"]),
    ).toEqual([expect.objectContaining({ message: expect.stringContaining(message) })]);
  });
});

describe("a number in another notation", () => {
  it.each(["0x64", "0o144", "1e2", "+100", "100.", ".5"])("is refused with the plain one: %s", (source) => {
    const { problems } = read(`config:\n  wiab-staging:machines:\n    - diskGB: ${source}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ key: "machines[0].diskGB", line: 3 });
    expect(problems[0]?.message).toMatch(/write (100|0\.5)/);
  });

  it.each(["100", "-1", "0.25", "100.0"])("is not %s", (source) =>
    expect(read(`config:\n  wiab-staging:machines:\n    - diskGB: ${source}\n`).problems).toEqual([]),
  );

  it("may stand among the values of charts", () =>
    expect(read("config:\n  wiab-staging:wire:\n    values:\n      a: 1e3\n").problems).toEqual([]));
});

describe("a file that is no YAML", () => {
  it.each([
    ["a tab", "config:\n  wiab-staging:host:\n\tvirtualization: kvm\n", 3],
    ["a key given twice", "config:\n  wiab-staging:domain: a.b\n  wiab-staging:domain: c.d\n", 3],
    ["a list that never ends", "config:\n  wiab-staging:machines: [\n", 3],
    ["a colon in plain text", "config:\n  wiab-staging:domain: a: b\n", 2],
  ])("says where: %s", (_name, text, line) => {
    const { syntax } = read(text);
    expect(syntax[0]).toMatchObject({ key: "Pulumi.x.yaml", line });
    // In words, and not by the parser's own name for it.
    expect(syntax[0]?.message).toMatch(/^is no YAML: [a-z]/);
    expect(syntax[0]?.message).not.toMatch(/[A-Z]{3,}_/);
  });

  it.each(["", "- a", "config", "config: 1", "a: &a [*a]", "\u0000", "%YAML 9.9\n---\nconfig: {}"])(
    "never stops the reader itself: %j",
    (text) => expect(() => read(text).lineOf("machines[3].address")).not.toThrow(),
  );
});

describe("a problem", () => {
  it("names the line of its key, or of the nearest one that the file has", () => {
    const { lineOf } = read(
      "config:\n  wiab-staging:machines:\n    - name: a\n    - name: b\n      vcpus: 2\n  wiab-staging:domain: c.d\n",
    );
    expect(
      ["machines", "machines[1]", "machines[1].vcpus", "machines[1].diskGB", "domain", "network"].map(lineOf),
    ).toEqual([2, 4, 5, 4, 6, undefined]);
  });

  it("is told with file and line", () => {
    const values: Values = stagingValues();
    values.network.cidr = "10.0.0.1/24";
    const stackFile = read("config:\n  wiab-staging:network:\n    name: wirebox\n    cidr: 10.0.0.1/24\n");
    const refused = () => validate(values, { ...surroundings, stackFile });
    expect(refused).toThrow(ConfigurationError);
    expect(refused).toThrow(/network\.cidr: .*\(Pulumi\.x\.yaml:4\)$/m);
  });
});

describe("what is said of a wrong value", () => {
  const said = (change: (values: Values) => void): string => {
    const values: Values = stagingValues();
    change(values);
    try {
      validate(values, surroundings);
    } catch (error) {
      return (error as ConfigurationError).problems
        .map(({ key, message }) => `${key}: ${message}`)
        .join("\n");
    }
    return "";
  };

  it.each<[string, (values: Values) => void, string]>([
    [
      "a fraction of a processor",
      (c) => (c.machines[0].vcpus = 1.5),
      "must be a whole number, such as 1 or 2; found 1.5",
    ],
    [
      "memory between steps",
      (c) => (c.machines[0].memoryGiB = 7.03),
      "must be a multiple of 0.0625, such as 7 or 7.0625",
    ],
    [
      "a number in quotes",
      (c) => (c.machines[0].vcpus = "4"),
      "must be of type number: write 4, without quotes",
    ],
    ["a unit", (c) => (c.machines[0].memoryGiB = "7 GiB"), "write the number alone, in GiB: 7"],
    ["another unit", (c) => (c.machines[0].memoryGiB = "8192M"), "write the number alone, in GiB: 8;"],
    ["a word for a switch", (c) => (c.firewall.hardenInput = "yes"), "must be of type boolean: write true"],
    ["a number for text", (c) => (c.image.sha256 = 12), "must be of type string: put it in quotes"],
    ["a choice misspelt", (c) => (c.host.virtualization = "KVMM"), "must be kvm or qemu; did you mean kvm?"],
    [
      "a choice that is nowhere near",
      (c) => (c.host.virtualization = "virtualbox"),
      "must be kvm or qemu; found",
    ],
    ["a port too high", (c) => (c.host.ssh.port = 65536), "must be at most 65535"],
    ["a port of none", (c) => (c.host.ssh.port = 0), "must be at least 1"],
    ["an empty list", (c) => (c.artifact = { sources: [] }), "must have at least 1 entry"],
    ["an empty text", (c) => (c.host.poolPath = ""), "must not be empty"],
    [
      "a release that does not exist",
      (c) => (c.wire = { values: { "wire-sever": {} } }),
      "did you mean wire-server?",
    ],
    [
      "a key that is like no other",
      (c) => (c.colour = 1),
      "co…: is not a known key. Known here: domain, host",
    ],
  ])("%s", (_name, change, message) => {
    const text = said(change);
    expect(text).toContain(message);
    expect(text).not.toMatch(/undefined|NaN/);
  });
});
