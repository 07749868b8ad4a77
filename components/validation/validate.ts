import type { z } from "zod";
import { quote, quoteKey } from "../config/quote";
import { type Configuration, configurationSchema } from "../config/schema";

import { expectation, meant } from "./expectations";
import { knownKeys } from "./known-keys";
import type { Problem } from "./problem";
import { checkRules, findWarnings } from "./rules";
import { mergeAdvice, mergeKey, type StackFile } from "./stack-file";
import type { Surroundings } from "./surroundings";
import { findUnused } from "./unused";

/** What {@link validate} makes of a stack's values. */
export interface Validated {
  readonly config: Configuration;
  /** What is allowed but worth saying to the operator. */
  readonly warnings: readonly string[];
}

/** A configuration that is refused; the message lists every problem with its key. */
export class ConfigurationError extends Error {
  /** @param file text that the keys stand in, for their lines. */
  constructor(
    readonly problems: readonly Problem[],
    file?: Pick<StackFile, "name" | "lineOf">,
  ) {
    const lines = problems.map(({ key, message, line = file?.lineOf(key) }) => {
      const where = file && line !== undefined ? ` (${file.name}:${line})` : "";
      return `  - ${key}: ${message}${where}`;
    });
    const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
    super(`the configuration has ${count}, nothing was changed:\n${lines.join("\n")}`);
    this.name = "ConfigurationError";
  }
}

/**
 * Checks a stack's values against the schema and the rules across keys.
 * @throws ConfigurationError with all problems at once: a rule is left out only where a section that it
 * reads does not even have the right types.
 */
export function validate(values: Readonly<Record<string, unknown>>, surroundings: Surroundings): Validated {
  const { stackFile, strayKeys = [] } = surroundings;
  const parsed = configurationSchema.safeParse(values, { reportInput: true });
  const issues = parsed.error?.issues ?? [];
  const found = [
    ...(stackFile?.problems ?? []),
    ...strayKeys,
    ...describeIssues(issues, stackFile?.lineOf),
    ...checkRules(
      parsed.data ? { ...absent, ...parsed.data } : readableSections(values, issues),
      surroundings,
    ),
  ];
  // Text, keys and values are looked at one by one, and may each have come upon the same.
  const problems = found.filter(
    ({ key, message }, index) =>
      found.findIndex((other) => other.key === key && other.message === message) === index,
  );
  if (problems.length > 0 || !parsed.data) throw new ConfigurationError(problems, stackFile);
  return {
    config: parsed.data,
    warnings: [...findWarnings(parsed.data), ...findUnused(values, parsed.data)],
  };
}

/** The keys at the top of a configuration. */
export const sectionNames = Object.keys(configurationSchema.shape);

/** For rules a section that may be absent, and is, is one with the right types. */
const absent = Object.fromEntries(sectionNames.map((name) => [name, undefined]));

/** The sections of a refused configuration that have the right types once unknown keys are left out. */
function readableSections(
  values: Readonly<Record<string, unknown>>,
  issues: readonly z.core.$ZodIssue[],
): Partial<Configuration> {
  const known = structuredClone(values);
  for (const issue of issues)
    if (issue.code === "unrecognized_keys") {
      // biome-ignore lint/suspicious/noExplicitAny: the path comes from the parser that walked this value
      const owner = issue.path.reduce<any>((value, part) => value[part], known);
      for (const key of issue.keys) delete owner[key];
    }
  return Object.fromEntries(
    Object.entries(configurationSchema.shape).flatMap(([key, schema]) => {
      const section = schema.safeParse(known[key]);
      return section.success ? [[key, section.data]] : [];
    }),
  );
}

/** What the schema refuses, in words that have nothing of the values but their beginning. */
export const describeIssues = (
  issues: readonly z.core.$ZodIssue[],
  lineOf: StackFile["lineOf"] = () => undefined,
): Problem[] => issues.flatMap((issue) => describeIssue(issue, lineOf));

function describeIssue(issue: z.core.$ZodIssue, lineOf: StackFile["lineOf"]): Problem[] {
  const key = formatPath(issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(issue.path);
    return issue.keys.map((unknown) => {
      if (unknown === mergeKey)
        return {
          key: formatPath([...issue.path, mergeKey]),
          line: lineOf(formatPath([...issue.path, mergeKey])),
          message: mergeAdvice,
        };
      const [section = "", ...below] = unknown.split(".");
      if (below.length > 0 && known.includes(section))
        return {
          key: formatPath([...issue.path, section]),
          line: lineOf(formatPath([...issue.path, unknown])),
          message: `is written with dots, as commands take it: in the file the key stands below ${section}:, two spaces further in`,
        };
      const near = meant(unknown, known);
      return {
        key: formatPath([...issue.path, quoteKey(unknown, known)]),
        line: lineOf(formatPath([...issue.path, unknown])),
        message: `is not a known key${near === undefined ? "." : `; did you mean ${near}?`} Known here: ${known.join(", ")}`,
      };
    });
  }
  if (issue.input === undefined) return [{ key, message: `is missing: ${expectation(issue)}` }];
  const found = /(password|salt)$/.test(key) ? "something else" : quote(issue.input);
  return [{ key, message: `${expectation(issue)}; found ${found}` }];
}

/** Writes a path as an operator would: machines[3].address. */
const formatPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part),
    "",
  );
