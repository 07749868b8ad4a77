import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { quote } from "../config/quote";

/** The known word that somebody may have meant; undefined where none is near. */
export function meant(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(word.toLowerCase(), [...known]);
  return distance(word.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, nearest.length / 2)
    ? nearest
    : undefined;
}

/** What a value has to be, by the rule that it breaks, and the nearest value that would do. */
export function expectation(issue: z.core.$ZodIssue): string {
  const { input } = issue;
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "int"
        ? withNearest("must be a whole number", [Math.floor(Number(input)), Math.ceil(Number(input))])
        : `${input === null ? "has no value: it " : ""}must be ${kinds[issue.expected] ?? `of type ${issue.expected}`}${otherwiseWritten(issue.expected, input, issue.path.at(-1))}`;
    case "invalid_value": {
      const values = issue.values.map(String);
      // A section may have a key toString, and is no word in any case.
      const near = typeof input === "object" ? undefined : meant(String(input), values);
      return `must be ${values.join(" or ")}${near === undefined ? "" : `; did you mean ${near}?`}`;
    }
    case "too_small": {
      const { minimum, inclusive } = issue;
      if (issue.origin === "string") return "must not be empty";
      if (issue.origin === "array")
        return `must have at least ${minimum} ${minimum === 1 ? "entry" : "entries"}`;
      return `must be ${inclusive ? `at least ${minimum}` : `greater than ${minimum}`}`;
    }
    case "too_big":
      return issue.origin === "array" || issue.origin === "string"
        ? `must have at most ${issue.maximum} ${issue.origin === "string" ? "characters" : "entries"}`
        : `must be at most ${issue.maximum}`;
    case "not_multiple_of": {
      const steps = Number(input) / issue.divisor;
      return withNearest(`must be a multiple of ${issue.divisor}`, [
        Math.floor(steps) * issue.divisor,
        Math.ceil(steps) * issue.divisor,
      ]);
    }
    default:
      return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  }
}

function withNearest(rule: string, values: readonly number[]): string {
  const positive = [...new Set(values)].filter((value) => Number.isFinite(value) && value > 0);
  return positive.length > 0 ? `${rule}, such as ${positive.map(quote).join(" or ")}` : rule;
}

/** What the parser's names for types are called in a file. */
const kinds: Readonly<Record<string, string>> = {
  array: "a list, with a hyphen before each entry",
  object: "a section, with keys below it",
  record: "a section, with keys below it",
};

/** Bytes of the units that sizes are written in. */
const units: Readonly<Record<string, number>> = {
  k: 1e3,
  kb: 1e3,
  ki: 2 ** 10,
  kib: 2 ** 10,
  m: 1e6,
  mb: 1e6,
  mi: 2 ** 20,
  mib: 2 ** 20,
  g: 1e9,
  gb: 1e9,
  gi: 2 ** 30,
  gib: 2 ** 30,
  t: 1e12,
  tb: 1e12,
  ti: 2 ** 40,
  tib: 2 ** 40,
};

/** A size as its key takes it: GiB in sixteenths, MiB as a whole number, both rounded up. */
const inSteps = (size: number, unit: string): number =>
  unit === "GiB" ? Math.ceil(size * 16) / 16 : unit === "MiB" ? Math.ceil(size) : Number(size.toFixed(4));

/** The same value in the type that is asked for, where it is plain what was meant. */
function otherwiseWritten(type: string, input: unknown, key: PropertyKey | undefined): string {
  if (type === "string" && ["number", "boolean"].includes(typeof input)) return ": put it in quotes";
  if (type === "boolean" && (input === 0 || input === 1)) return `: write ${input === 1}`;
  if (typeof input !== "string") return "";
  if (type === "boolean" && /^(yes|on|y|true|1)$/i.test(input)) return ": write true";
  if (type === "boolean" && /^(no|off|n|false|0)$/i.test(input)) return ": write false";
  if (type !== "number" && type !== "int") return "";
  const comma = /^\s*(\d{1,4}),(\d{1,2})\s*$/.exec(input);
  if (comma) return `: write ${comma[1]}.${comma[2]}, with a point`;
  const [, digits, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(input) ?? [];
  const own = /(GiB|MiB|GB)$/.exec(String(key))?.[1];
  if (digits === undefined) return "";
  if (unit === "") return `: write ${quote(Number(digits))}, without quotes`;
  if (own === undefined) return /^\d{1,4}$/.test(digits) ? `: write ${digits} alone` : "";
  // A letter alone is what Java and Kubernetes' tools mean by it where sizes are binary.
  const binary = unit.length === 1 && own.includes("i") ? `${unit}i` : unit;
  const [from, to] = [units[binary.toLowerCase()], units[own.toLowerCase()]];
  if (from === undefined || to === undefined) return "";
  return `: write the number alone, in ${own}: ${quote(inSteps((Number(digits) * from) / to, own))}`;
}
