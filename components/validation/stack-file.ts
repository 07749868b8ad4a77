import { closest, distance } from "fastest-levenshtein";
import {
  type Document,
  isAlias,
  isMap,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
  visit,
} from "yaml";
import { quoteKey } from "../config/quote";
import { yamlProblem } from "../config/yaml";
import { meant } from "./expectations";
import { spoiledText } from "./file-faults";
import type { Problem } from "./problem";
import { ambiguities, keyAt, namely, partsOf } from "./two-readings";

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

/** Takes another section's keys over, in YAML 1.1; the engine passes it on as a key like any other. */
export const mergeKey = "<<";
export const mergeAdvice =
  "merges another section in, which is not supported: write the keys of that section out here, in place of this line";

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
    problems.push(
      ...merges(document, project, lineAt),
      ...ambiguities(document, parse(text, "1.1", new LineCounter())[0], project, lineAt),
    );

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

/** Sections that shall be taken over, wherever: below keys that are free they would be values themselves. */
function merges(document: Document, project: string, lineAt: (offset: number) => number): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Pair: (_, pair, ancestors) => {
      const key = pair.key as Scalar;
      if (key?.value !== mergeKey) return;
      const around = keyAt(ancestors, false, project);
      problems.push({
        key: ["config", "the file"].includes(around) ? mergeKey : `${around}.${mergeKey}`,
        message: mergeAdvice,
        line: lineAt(key.range?.[0] ?? 0),
      });
    },
  });
  return problems;
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
    if (key === mergeKey) return [{ key, message: mergeAdvice, line: lineOf(key) }];
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
