import type { Problem } from "./problem";

/**
 * What spoils a file of text on its way, by the marks that it leaves. The parser of YAML takes them for text and
 * complains of something else, often on another line.
 */
const marks: readonly (readonly [RegExp, string])[] = [
  [/\0/, "has bytes that are no text: save it as UTF-8, without byte order mark"],
  [/\uFFFD/, "has bytes that are no UTF-8: save it as UTF-8"],
  [/^(<{7}|={7}|>{7}|\|{7})( |$)/m, "has the marks of a merge of Git in it: decide between the two sides"],
  [
    /^[ \t]*[\u00A0\u2000-\u200B\u202F\u3000]/m,
    "begins a line with a space that is none to YAML, as web pages have them: type it anew",
  ],
  [
    /(:|-|\[|,) *[\u2018-\u201F\u00AB\u00BB]/,
    "has typographic quotation marks, which are letters to YAML: type \" or '",
  ],
  [
    /[^\n]\r(?!\n)/,
    "has line ends that are none to YAML (a carriage return alone): save it with those of Unix",
  ],
];

/** The first of these marks, with its line; undefined for a file that has none. */
export function spoiledText(name: string, text: string): Problem | undefined {
  const found = marks.flatMap(([pattern, message]) => {
    const at = text.search(pattern);
    return at < 0 ? [] : [{ at, message }];
  });
  const first = found.sort((one, other) => one.at - other.at)[0];
  return first && { key: name, message: first.message, line: text.slice(0, first.at).split("\n").length };
}
