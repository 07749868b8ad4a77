import { closest, distance } from "fastest-levenshtein";
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar,
  visit,
} from "yaml";
import { quote, quoteKey } from "../config/quote";
import { yamlProblem } from "../config/yaml";
import { meant } from "./expectations";
import { spoiledText } from "./file-faults";
import type { Problem } from "./problem";

/**
 * The text of a `Pulumi.<stack>.yaml`. The engine hands its values over as JSON: what it has turned around on the
 * way (its reader has words of YAML 1.1 and of 1.2), what it has passed over, and the lines are to be seen in the
 * text alone.
 */
export interface StackFile {
  /** Name of the file, for messages. */
  readonly name: string;
  /** Why it cannot be read at all. */
  readonly syntax: readonly Problem[];
  /** What the engine passes over, or reads otherwise than people do. */
  readonly problems: readonly Problem[];
  /** Keys below `config`, with the namespace before them. */
  readonly keys: readonly string[];
  /** Line of a key such as `machines[3].address`, or of the nearest one around it that the file has. */
  readonly lineOf: (key: string) => number | undefined;
}

/** Keys of the file itself; all others the engine passes over without a word. */
const ownKeys = ["config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider"];

/** Digits that a JSON number keeps for certain (IEEE 754, double precision). */
const certainDigits = 15;

/**
 * Reads the text of a stack's file; never throws.
 * @param project namespace of the keys that the program reads.
 */
export function readStackFile(name: string, text: string, project: string): StackFile {
  const lines = new LineCounter();
  // Not with pretty errors: they quote the text, and it may be a secret.
  const documents = parse(text, "1.2", lines);
  const [document, second] = documents;
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const spoiled = spoiledText(name, text);
  // One alone: what comes after it follows from it.
  const syntax = spoiled ? [spoiled] : documents.slice(0, 1).flatMap((one) => firstFault(one, name, lineAt));
  const config = document && isMap(document.contents) ? document.get("config", true) : undefined;
  const top = document && isMap(document.contents) ? document.contents.items : [];
  const offsetOf = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0;
  const shared = { line: (node: unknown) => lineAt(offsetOf(node)) };

  const problems: Problem[] = [];
  for (const { key } of top)
    if (!ownKeys.includes(String(key)))
      problems.push({ ...strayAtTop(String(key), project), line: shared.line(key) });
  if (second)
    problems.push({
      key: name,
      message:
        "has a second YAML document (after a line ---), which nobody reads: put its keys into the first, and take that line away",
      line: lineAt(offsetOf(second.contents) || (second.range?.[0] ?? 0)),
    });
  if (document && syntax.length === 0)
    problems.push(...ambiguities(document, parse(text, "1.1", new LineCounter())[0], project, lineAt));

  return {
    name,
    syntax,
    problems,
    keys: isMap(config) ? config.items.map(({ key }) => String(key)) : [],
    lineOf: (key) => {
      let node: unknown = config;
      let line: number | undefined;
      for (const part of partsOf(key)) {
        const pair = isMap(node)
          ? node.items.find(({ key: own }) => [part, `${project}:${part}`].includes(String(own)))
          : undefined;
        const item = isSeq(node) ? node.items[Number(part)] : undefined;
        if (!pair && !item) return line;
        line = shared.line(pair ? pair.key : item);
        node = pair ? pair.value : item;
      }
      return line;
    },
  };
}

/** What is said of a key beside `config`. */
function strayAtTop(key: string, project: string): Problem {
  if (key.startsWith(`${project}:`))
    return {
      key: `${project}:${namely(key.slice(project.length + 1))}`,
      message: "stands beside config, where nobody reads it: it belongs below config, two spaces further in",
    };
  const near = meant(key, ownKeys);
  return {
    key: quoteKey(key, ownKeys),
    message: `is no key of a stack's file, and nobody reads it${near === undefined ? "." : `; did you mean ${near}?`} Known here: ${ownKeys.join(", ")}`,
  };
}

/** The first thing that makes a document no YAML, or that the engine would read as something else. */
function firstFault(document: Document, name: string, lineAt: (offset: number) => number): Problem[] {
  const faults = document.errors.map(({ code, pos }) => ({
    at: pos[0],
    message: `is no YAML: ${yamlProblem(code)}`,
  }));
  const anchors = new Set<string>();
  visit(document, {
    Node: (_, node) => {
      const at = node.range?.[0] ?? 0;
      if (!isAlias(node)) {
        if (node.anchor) anchors.add(node.anchor);
        if (node.tag && !/^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/.test(node.tag))
          faults.push({
            at,
            message: "has a tag (!…), which nobody reads: take it away, or put the text in quotes",
          });
      } else if (!anchors.has(node.source))
        faults.push({ at, message: `is no YAML: ${yamlProblem("BAD_ALIAS")}` });
    },
  });
  const [first] = faults.sort((one, other) => one.at - other.at);
  return first ? [{ key: name, message: first.message, line: lineAt(first.at) }] : [];
}

const parse = (text: string, version: "1.1" | "1.2", lineCounter: LineCounter): Document[] => {
  const documents = parseAllDocuments(text, {
    version,
    lineCounter,
    prettyErrors: false,
    logLevel: "silent",
  });
  return Array.isArray(documents) ? documents : [];
};

/** `machines[3].address` as its parts. */
const partsOf = (key: string): string[] => key.split(/[.[\]"]+/).filter((part) => part !== "");

/** Plain words that YAML 1.1 and 1.2 read as different values, and numbers with more digits than survive the way. */
function ambiguities(
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
      const hidden = mayBeSecret.test(key) || !harmless.test(source);
      const other = readings.get(range[0]);
      if (typeof other !== "symbol" && readings.has(range[0]) && shown(other) !== shown(value))
        problems.push({
          key,
          message: hidden
            ? "is one value in YAML 1.1 and another in YAML 1.2: write a number in plain decimal digits, and put text in quotes"
            : `${source} is ${shown(other)} in YAML 1.1 and ${shown(value)} in YAML 1.2, and Pulumi's reader is between the two: ${advice(source, other, value)}`,
          line,
        });
      else if (typeof value === "number" && !decimal.test(source) && !key.startsWith("wire.values"))
        problems.push({
          key,
          message: notation(source, value),
          line,
        });
      else if (typeof value === "number" && digitsOf(source) > certainDigits)
        problems.push({
          key,
          message: "has more digits than a number keeps: write fewer, or put it in quotes if it is text",
          line,
        });
    },
  });
  return problems;
}

/** What to write in place of a number in another notation. */
function notation(source: string, value: number): string {
  const what = `${source.slice(0, 6)}${source.length > 6 ? "…" : ""}`;
  return Number.isFinite(value)
    ? `${what} is a number in another notation: write ${quote(value)}, or put it in quotes if it is text`
    : `${what} is a number that nothing can have to YAML: write another one, or put it in quotes if it is text`;
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

/** What to write in place of a word with two readings. */
function advice(source: string, older: unknown, newer: unknown): string {
  const plain = [older, newer].filter(
    (value) => typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value)),
  );
  return `write ${[...new Set([...plain.map(String), `"${source}"`])].join(" or ")}`;
}

/** A key, or its beginning if it is none that anybody would choose: it may be a secret in the wrong place. */
const namely = (key: string): string =>
  /^[A-Za-z][A-Za-z-]{0,23}\d{0,3}$/.test(key) ? key : `${key.slice(0, 3)}…`;

/** The key of a scalar as an operator would write it, without the project's namespace. */
function keyAt(ancestors: readonly unknown[], isKey: boolean, project: string): string {
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

/**
 * Keys that are of no namespace that anything here reads.
 * @param keys with the namespace before them, as the engine hands them over.
 */
export const strayKeys = (
  keys: readonly string[],
  project: string,
  known: readonly string[],
  lineOf: StackFile["lineOf"] = () => undefined,
): Problem[] =>
  keys.flatMap((key) => {
    const [namespace = "", name = ""] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
    // "pulumi:" is the engine's own.
    if (namespace === project || namespace === "pulumi") return [];
    const meant = known.includes(name) || distance(namespace, project) <= 3;
    return [
      {
        key: `${quoteKey(namespace, [project])}:${quoteKey(name, known)}`,
        line: lineOf(key),
        message: `is in a namespace that nothing here reads${meant ? `; did you mean ${project}:${known.includes(name) || known.length === 0 ? name : closest(name, known)}?` : `: this program's keys begin with ${project}:`}`,
      },
    ];
  });
