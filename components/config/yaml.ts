import { type ErrorCode, parse, YAMLParseError } from "yaml";

/** What is wrong with a text, by the parser's name for it; its own messages quote the text, which may be a secret. */
const words: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_ALIAS: "an alias (*) needs a name, and an anchor (&) of that name before it",
  BAD_DQ_ESCAPE:
    "a backslash in double quotes begins an escape that there is not: write \\\\, or single quotes",
  BAD_INDENT:
    "this line begins at a column that belongs to nothing above it, or a bracket above it was never closed",
  BAD_SCALAR_START: "text that begins with this character needs quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "a colon in plain text begins a second value: put the text in quotes; or this line is indented further than the one that it belongs to",
  BLOCK_IN_FLOW: "a list or map with hyphens or lines of its own cannot stand between brackets",
  DUPLICATE_KEY: "this key is given twice",
  MISSING_CHAR: "a quotation mark, bracket or comma is missing here, or in the line above",
  MULTIPLE_DOCS:
    "a second document begins here (after a line ---), which nobody reads: put its keys into the first, and take that line away",
  MULTILINE_IMPLICIT_KEY: "a key has to stand on one line, with a colon and a space after it",
  TAB_AS_INDENT: "lines are indented with spaces, never with tabs",
  UNEXPECTED_TOKEN:
    "this stands where nothing can: a bracket, quotation mark or hyphen too much, or one missing before it",
};

/** Why a text is no YAML, in words. */
export const yamlProblem = (code: ErrorCode): string =>
  words[code] ?? "it cannot be read from here on; look for a mark that is missing or too much";

/**
 * Reads YAML that somebody has typed.
 * @param name - What the text is, for the message.
 * Warnings of the parser are not printed, and its own words are not passed on: they have the line itself.
 * @throws Error with line and column.
 */
export function parseYaml(text: string, name: string): unknown {
  try {
    return parse(text, { logLevel: "error" });
  } catch (error) {
    if (!(error instanceof YAMLParseError))
      throw new Error(`${name} has an alias (*) without its anchor (&), or too many aliases`);
    const { line = 0, col = 0 } = error.linePos?.[0] ?? {};
    throw new Error(`${name} is not YAML: line ${line}, column ${col}: ${yamlProblem(error.code)}`);
  }
}
