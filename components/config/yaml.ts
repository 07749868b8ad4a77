import { parse, YAMLParseError } from "yaml";

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
    throw new Error(`${name} is not YAML: line ${line}, column ${col} (${error.code})`);
  }
}
