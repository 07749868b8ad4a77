import { type Document, isPair, isSeq, type Pair, type Scalar, visit } from "yaml";
import { quote } from "../config/quote";
import { type Kind, kindAt } from "./known-keys";
import type { Problem } from "./problem";

/** Digits that a JSON number keeps for certain (IEEE 754, double precision). */
const certainDigits = 15;

/** Plain words that YAML 1.1 and 1.2 read as different values, and numbers with more digits than survive the way. */
export function ambiguities(
  document: Document,
  older: Document | undefined,
  project: string,
  lineAt: (offset: number) => number,
): Problem[] {
  const readings = new Map<number, unknown>();
  if (older)
    visit(older, { Scalar: (_, node) => void (node.range && readings.set(node.range[0], node.value)) });
  const problems: Problem[] = [];
  visit(document, {
    Scalar: (where, node, ancestors) => {
      const { source, value, range } = node;
      if (node.type !== "PLAIN" || source === undefined || !range) return;
      const key = keyAt([...ancestors, node], where === "key", project);
      const line = lineAt(range[0]);
      const other = readings.get(range[0]);
      const kind = kindAt(partsOf(key));
      // A word for yes or no, where one is wanted, is no secret whatever the key is called.
      const isSwitch = kind === "boolean" && (typeof other === "boolean" || typeof value === "boolean");
      const hidden = !isSwitch && (mayBeSecret.test(key) || !harmless.test(source));
      if (typeof other !== "symbol" && readings.has(range[0]) && shown(other) !== shown(value))
        problems.push({
          key,
          message: hidden
            ? `is one value in YAML 1.1 and another in YAML 1.2: ${plainly[kind ?? "any"]}`
            : `${source} is ${shown(other)} in YAML 1.1 and ${shown(value)} in YAML 1.2, and Pulumi's reader is between the two: ${advice(source, other, value, kind)}`,
          line,
        });
      else if (typeof value === "number" && !decimal.test(source) && !key.startsWith("wire.values"))
        problems.push({
          key,
          message: notation(source, value, kind),
          line,
        });
      else if (typeof value === "number" && digitsOf(source) > certainDigits)
        problems.push({
          key,
          message: `has more digits than a number keeps: ${orElse("write fewer", kind)}`,
          line,
        });
    },
  });
  return problems;
}

/** What to write in place of a number in another notation. */
function notation(source: string, value: number, kind: Kind | undefined): string {
  const what = `${source.slice(0, 6)}${source.length > 6 ? "…" : ""}`;
  return Number.isFinite(value)
    ? `${what} is a number in another notation: ${orElse(`write ${quote(value)}`, kind)}`
    : `${what} is a number that nothing can have to YAML: ${orElse("write another one", kind)}`;
}

/** What to write for a kind of value, whatever was there. */
const plainly: Readonly<Record<Kind | "any", string>> = {
  boolean: "write true or false",
  number: "write a number in plain decimal digits",
  string: "put it in quotes",
  choice: "write one of the words that the key takes",
  any: "write a number in plain decimal digits, and put text in quotes",
};

/** An advice for a number, as far as the key takes one, and for a text, as far as it takes that. */
function orElse(asNumber: string, kind: Kind | undefined): string {
  if (kind === "number") return asNumber;
  return kind === undefined ? `${asNumber}, or put it in quotes if it is text` : plainly[kind];
}

/** How people write a number; hexadecimal, octal and exponents are more often a slip, or text, than meant. */
const decimal = /^-?\d+(\.\d+)?$/;

/** Keys whose values are not for messages: a secret in plain text is refused without showing it. */
const mayBeSecret = /pass|secret|token|credential|key|^wire\.values/i;

/** Words, dates and times of day that are too short, or too plain, for a secret. */
const harmless = /^(.{1,5}|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d)$/;

const digitsOf = (source: string): number =>
  source
    .replace(/[eE].*$/, "")
    .replace(/\D/g, "")
    .replace(/^0+|0+$/g, "").length;

const shown = (value: unknown): string =>
  typeof value === "number" && !Number.isFinite(value)
    ? "a number that is none"
    : value instanceof Date
      ? `the time ${value.toISOString()}`
      : typeof value === "string"
        ? `"${value}"`
        : String(value);

/** What to write in place of a word with two readings: what the key takes, or both where it takes anything. */
function advice(source: string, older: unknown, newer: unknown, kind: Kind | undefined): string {
  if (kind === "string") return `write "${source}"`;
  if (kind === "choice") return plainly[kind];
  const plain = [older, newer].filter(
    (value) =>
      (kind !== "number" && typeof value === "boolean") ||
      (kind !== "boolean" && typeof value === "number" && Number.isFinite(value)),
  );
  if (kind !== undefined && plain.length === 0) return plainly[kind];
  const words = kind === undefined ? [...plain.map(String), `"${source}"`] : plain.map(String);
  return `write ${[...new Set(words)].join(" or ")}`;
}

/** `machines[3].address` as its parts. */
export const partsOf = (key: string): string[] => key.split(/[.[\]"]+/).filter((part) => part !== "");

/** A key, or its beginning if it is none that anybody would choose: it may be a secret in the wrong place. */
export const namely = (key: string): string =>
  /^[A-Za-z][A-Za-z-]{0,23}\d{0,3}$/.test(key) ? key : `${key.slice(0, 3)}…`;

/** The key of a scalar as an operator would write it, without the project's namespace. */
export function keyAt(ancestors: readonly unknown[], isKey: boolean, project: string): string {
  let text = "";
  ancestors.forEach((node, index) => {
    const child = ancestors[index + 1];
    if (isSeq(node)) text += `[${node.items.indexOf(child)}]`;
    if (isPair(node)) {
      const key = namely(String((node as Pair<Scalar>).key).replace(`${project}:`, ""));
      text += text ? `.${key}` : key;
    }
  });
  return text.replace(/^config\./, "") || (isKey ? "a key" : "the file");
}
