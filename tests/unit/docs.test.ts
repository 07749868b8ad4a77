import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { renderMarkdown, renderSchema } from "../../components/config/generate-docs";
import { configurationSchema } from "../../components/config/schema";

const markdown = renderMarkdown();
const schema = JSON.parse(renderSchema());
const topLevel = schema.properties.config;

/** Every key of the schema with its description, found without the generator's help: "machines[].existing.port". */
function keysOf(type: any, path: string): { path: string; description: string | undefined }[] {
  const inner = unwrap(type);
  const below =
    inner instanceof z.ZodObject
      ? Object.entries(inner.shape).flatMap(([key, value]) => keysOf(value, path ? `${path}.${key}` : key))
      : inner instanceof z.ZodArray && unwrap(inner.element) instanceof z.ZodObject
        ? keysOf(inner.element, `${path}[]`)
        : [];
  return path && !path.endsWith("[]") ? [{ path, description: describeType(type) }, ...below] : below;
}

const unwrap = (type: any): any => (type.def.innerType ? unwrap(type.def.innerType) : type);
const describeType = (type: any): string | undefined =>
  type.description ?? (type.def.innerType && describeType(type.def.innerType));

const keys = keysOf(configurationSchema, "");

/** What the JSON schema says of a path such as "machines[].existing.port". */
const schemaAt = (path: string): any =>
  path.split(".").reduce((node, part, index) => {
    const next = node.properties[(index === 0 ? "wiab-staging:" : "") + part.replace("[]", "")];
    return part.endsWith("[]") ? next.items : next;
  }, topLevel);

describe("the documents of the configuration", () => {
  it("are those that are committed", () => {
    expect(readFileSync("docs/configuration.md", "utf8")).toBe(markdown);
    expect(readFileSync("docs/configuration.schema.json", "utf8")).toBe(renderSchema());
  });

  it("have every key with its description", () => {
    expect(keys.length).toBeGreaterThan(40);
    for (const { path, description } of keys) {
      expect(schemaAt(path), path).toBeDefined();
      expect(schemaAt(path).description, path).toBe(description);
      const lines = markdown.split("\n").filter((line) => line.startsWith(`| \`${path}\` `));
      const isSection = !path.includes(".") && lines.length === 0;
      if (isSection) expect(markdown).toContain(`\n## ${path}\n\n${description}`);
      else expect(lines, path).toEqual([expect.stringContaining(description ?? "")]);
    }
  });

  it("say what is accepted in the words of the refusal", () => {
    const message = configurationSchema.shape.domain.safeParse("Wire").error?.issues[0]?.message ?? "";
    expect(message).toMatch(/^must be a domain name/);
    expect(schemaAt("domain").patternErrorMessage).toBe(message);
    expect(markdown).toContain(`| \`domain\` | ${message.replace("must be ", "")} | **required** |`);
  });
});

describe("docs/configuration.schema.json", () => {
  const { config } = parse(readFileSync("Pulumi.staging.yaml", "utf8"));

  it("is what Pulumi.staging.yaml points editors to", () => {
    expect(readFileSync("Pulumi.staging.yaml", "utf8").split("\n")[0]).toBe(
      "# yaml-language-server: $schema=docs/configuration.schema.json",
    );
  });

  it("knows and demands what Pulumi.staging.yaml has", () => {
    expect(Object.keys(topLevel.properties)).toEqual(expect.arrayContaining(Object.keys(config)));
    expect(Object.keys(config)).toEqual(expect.arrayContaining(topLevel.required));
    expect(topLevel.required).toEqual(["wiab-staging:domain", "wiab-staging:firewall"]);
  });

  it("is closed for our keys, and open for those of others", () => {
    const others = Object.keys(topLevel.patternProperties).map((pattern) => new RegExp(pattern));
    const allowed = (key: string) => key in topLevel.properties || others.some((other) => other.test(key));
    expect(topLevel.additionalProperties).toBe(false);
    expect(allowed("wiab-staging:machines")).toBe(true);
    expect(allowed("wiab-staging:machine")).toBe(false);
    expect(allowed("kubernetes:context")).toBe(true);
    expect(allowed("context")).toBe(false);
    const closed = keys.filter(({ path }) => schemaAt(path).properties);
    expect(closed.length).toBeGreaterThan(5);
    for (const { path } of closed) expect(schemaAt(path).additionalProperties, path).toBe(false);
  });

  it("allows what Pulumi itself writes into the file", () => {
    expect(Object.keys(schema.properties).sort()).toEqual([
      "config",
      "encryptedkey",
      "encryptionsalt",
      "environment",
      "secretsprovider",
    ]);
  });

  it("takes a secret only as Pulumi encrypts it", () => {
    const password = schemaAt("mail.relay.password");
    expect(password.required).toEqual(["secure"]);
    expect(password.properties.secure.type).toBe("string");
    expect(password.additionalProperties).toBe(false);
  });
});
