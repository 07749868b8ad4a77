import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { quote, quoteKey, quotePath, quoteUrl } from "../../components/config/quote";
import { configurationSchema } from "../../components/config/schema";
import { parseYaml } from "../../components/config/yaml";
import { workstation } from "../../components/validation/load";
import { ConfigurationError, validate } from "../../components/validation/validate";
import { stagingValues, type Values } from "../stacks";

const files = mkdtempSync(join(tmpdir(), "wiab-messages-"));
afterAll(() => rmSync(files, { recursive: true }));

const keyBody = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQ";
const pem = `-----BEGIN OPENSSH PRIVATE KEY-----\n${keyBody}\n-----END OPENSSH PRIVATE KEY-----\n`;

/** What people put in the wrong place, and the part of it that nobody may read. */
const secrets: Readonly<Record<string, readonly [typed: unknown, hidden: string]>> = {
  "a private key": [pem, keyBody],
  "a private key in one line": [pem.replaceAll("\n", " "), keyBody],
  "a passphrase that could be a name": ["correct-horse-battery-staple", "correct-horse-battery-staple"],
  "a password": ["Tr0ub4dor&3-zebra", "Tr0ub4dor&3-zebra"],
  "a short password": ["hunter2", "hunter2"],
  "a token": ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"],
  "a token that could be a path": ["/9j4AAQSkZJRgABAQEASABIAAD", "9j4AAQSkZJRgABAQEASABIAAD"],
  "a URL with a password": ["https://admin:s3cr3t-pass@repo.example.com/charts", "s3cr3t-pass"],
  "an address with a password": ["root:s3cr3t-pass@kvm.example.com", "root:s3cr3t-pass"],
  "a password of digits": [8362017455, "8362017455"],
  "a password in a list": [["Tr0ub4dor&3-zebra"], "Tr0ub4dor&3-zebra"],
  "a password in a section": [{ key: "Tr0ub4dor&3-zebra" }, "Tr0ub4dor&3-zebra"],
  "a password as a key": [{ "Tr0ub4dor&3-zebra": "x" }, "Tr0ub4dor&3-zebra"],
};

/** The longest piece of a secret that a text may have: longer ones are not said by chance. */
const piece = 5;

function expectHidden(text: string, hidden: string): void {
  const pieces = Array.from({ length: hidden.length - piece }, (_, at) => hidden.slice(at, at + piece + 1));
  const shown = pieces.find((one) => text.includes(one));
  if (shown) expect.fail(`"${shown}" is shown in\n${text}`);
}

type Place = readonly (string | number)[];

/** Every place of the schema, sections and list entries among them. */
function placesOf(schema: z.core.$ZodType, place: Place = []): Place[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return placesOf(schema.def.innerType, place);
  const own = place.length > 0 ? [place] : [];
  if (schema instanceof z.ZodArray) return [...own, ...placesOf(schema.element, [...place, 0])];
  if (schema instanceof z.ZodRecord) return [...own, [...place, "webapp"], [...place, "webapp", "password"]];
  if (schema instanceof z.ZodObject)
    return [...own, ...Object.entries(schema.shape).flatMap(([key, one]) => placesOf(one, [...place, key]))];
  return own;
}

const places = placesOf(configurationSchema);
const sections = [
  ...new Map(places.map((place) => [place.slice(0, -1).join(), place.slice(0, -1)])).values(),
];

/** The values with another one at a place; what leads there is made. */
function put(values: Values, [key, ...below]: Place, value: unknown): void {
  if (key === undefined) return;
  if (below.length === 0) values[key] = value;
  else {
    if (typeof values[key] !== "object") values[key] = typeof below[0] === "number" ? [] : {};
    put(values[key], below, value);
  }
}

/** A configuration of which hardly anything is right: the rules across keys all have something to say. */
function wrongEverywhere(values: Values): void {
  values.network.dhcpRange = { start: "192.168.122.240", end: "192.168.122.100" };
  values.machines[1].address = values.machines[2].address;
  values.machines[3].address = "10.0.0.7";
  values.machines[4].name = values.machines[0].name;
  values.machines.splice(6, 1);
  values.calling = { node: "nobody" };
  values.host.capacity = { memoryGiB: 1, vcpus: 1, diskGB: 1 };
  values.host.ssh.privateKeyFile = join(files, "none");
  values.wire = { charts: { directory: files } };
  values.tls = { certificateFile: join(files, "none"), privateKeyFile: join(files, "none") };
  delete values.image.sha256;
}

/** All that is said of a configuration, whatever becomes of it. */
function saidOf(values: Values): string {
  try {
    return validate(values, { ...workstation, encrypted: [] }).warnings.join("\n");
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return `${(error as Error).message}\n${(error as Error).stack}\n${inspect(error, { depth: 9 })}`;
  }
}

describe("what is said of a configuration", () => {
  it("is asked of every key", () => {
    expect(places.length).toBeGreaterThan(80);
    expect(places).toContainEqual(["machines", 0, "existing", "privateKeyFile"]);
    expect(saidOf(Object.assign(stagingValues(), { domain: "x_y" }))).toContain("domain");
  });

  it.each(Object.entries(secrets))(
    "shows no more than a few characters of %s, wherever it is",
    (_, secret) => {
      const [typed, hidden] = secret;
      for (const change of [() => {}, wrongEverywhere]) {
        const said = (place: Place, value: unknown) => {
          const values = stagingValues();
          change(values);
          put(values, place, value);
          return saidOf(values);
        };
        for (const place of places) expectHidden(said(place, typed), hidden);
        // As a key that is not known, in every section.
        for (const section of sections) expectHidden(said([...section, String(typed)], "x"), hidden);
      }
    },
  );

  it("shows nothing of a file that holds a secret in place of what it should", () => {
    const file = join(files, "secret");
    for (const [typed, hidden] of Object.values(secrets)) {
      writeFileSync(file, typeof typed === "string" ? typed : JSON.stringify(typed), { mode: 0o600 });
      for (const place of places.filter((one) => /File$|manifest$|directory$/.test(String(one.at(-1))))) {
        const values = stagingValues();
        values.tls = { certificateFile: file, privateKeyFile: file };
        values.features = { federation: { domains: [{ domain: "x.test" }], authoritiesFile: file } };
        values.artifact = { sources: [{ manifest: file, location: "/somewhere" }] };
        put(values, place, file);
        expectHidden(saidOf(values), hidden);
      }
    }
  });
});

describe("YAML that cannot be read", () => {
  it.each([
    `config:\n  a: b: ${keyBody}\n`,
    `config:\n  a: *${keyBody}\n`,
    `config:\n  a: !${keyBody} b\n  a: "\\q${keyBody}"\n`,
    `a: |${keyBody}\n`,
    `a: [1, 2\n${keyBody}: x`,
  ])("is refused by its place alone (%#)", (text) => {
    const error = (() => {
      try {
        return parseYaml(text, "Pulumi.staging.yaml");
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(
      /^Pulumi\.staging\.yaml (is not YAML: line \d+, column \d+: [a-z]|has an alias)/,
    );
    expectHidden(inspect(error, { depth: 9 }), keyBody);
  });
});

describe("a quotation", () => {
  it("has what helps to find a mistake", () => {
    expect(quote("two")).toBe('"two"');
    expect(quote(70000)).toBe("70000");
    expect(quote(true)).toBe("true");
    expect(quote("192.168.122.300/24")).toBe('"192.168.122.300/24"');
    expect(quote("hunter2")).toBe('"hu…" (7 characters)');
    expect(quote([1, 2])).toBe("a list of 2");
    expect(quoteKey("netwrok", ["network", "host"])).toBe("netwrok");
    expect(quoteKey("hunter2", ["network", "host"])).toBe("hu…");
    expect(quotePath(files)).toBe(files);
    expect(quotePath(join(files, "missing"))).toBe(join(files, "mi…"));
    expect(quoteUrl("https://me:pass@example.com/a.tgz?sig=abc")).toBe("https://example.com/a.tgz?…");
  });
});
