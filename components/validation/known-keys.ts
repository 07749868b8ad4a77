import { z } from "zod";
import { configurationSchema } from "../config/schema";

/** The keys that the schema knows at a path. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  const section = schemaAt(path);
  if (section instanceof z.ZodRecord)
    return section.keyType instanceof z.ZodEnum ? section.keyType.options.map(String) : [];
  return section instanceof z.ZodObject ? Object.keys(section.shape) : [];
}

/** What the schema takes at a path, as far as it is one kind of plain value; a choice is of words. */
export type Kind = "boolean" | "number" | "string" | "choice";

export function kindAt(path: readonly PropertyKey[]): Kind | undefined {
  const found = schemaAt(path);
  if (found instanceof z.ZodBoolean) return "boolean";
  if (found instanceof z.ZodNumber) return "number";
  if (found instanceof z.ZodEnum) return "choice";
  return found instanceof z.ZodString ? "string" : undefined;
}

function schemaAt(path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = configurationSchema;
  for (const part of path) {
    const inner: z.core.$ZodType | undefined = schema && unwrap(schema);
    if (inner instanceof z.ZodArray) schema = inner.element;
    else if (inner instanceof z.ZodObject) schema = inner.shape[String(part)];
    else if (inner instanceof z.ZodRecord) schema = inner.valueType;
    else return undefined;
  }
  return schema && unwrap(schema);
}

/** Takes `optional` and `default` off a schema. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? unwrap(schema.def.innerType)
    : schema;
}
