import type { Entry } from "./report";

/** What came of a look at a whole deployment. */
export interface Inspection {
  readonly stack: string;
  /** When it began, in ISO 8601. */
  readonly at: string;
  readonly seconds: number;
  readonly checks: readonly Entry[];
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

const row = ({ state, name, text }: Entry): string =>
  `<tr class="${state}"><td>${state === "fail" ? "FAIL" : state}</td><td>${escaped(name)}</td><td>${escaped(text)}</td></tr>`;

/** A page about it that needs nothing from elsewhere: what fails comes first. */
export function renderPage({ stack, at, seconds, checks }: Inspection): string {
  const failed = checks.filter(({ state }) => state === "fail");
  const sections = [...new Set(checks.map(({ section }) => section))];
  const table = (title: string, entries: readonly Entry[]) =>
    `<h2>${escaped(title)}</h2>\n<table>\n${entries.map(row).join("\n")}\n</table>`;
  const verdict =
    failed.length === 0 ? "Everything works" : `${failed.length} of ${checks.length} checks fail`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(stack)}: ${verdict}</title>
<style>
  body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; background: #fff }
  h1 { margin-bottom: 0 }
  table { border-collapse: collapse; width: 100% }
  td { border-top: 1px solid #ddd; padding: .3em .6em; vertical-align: top; white-space: pre-wrap; overflow-wrap: anywhere }
  td:first-child { width: 3em; font-weight: bold; color: #17723a }
  td:nth-child(2) { width: 22em }
  .fail td { background: #fdecea }
  .fail td:first-child { color: #b3261e }
  .note td { color: #666 }
</style>
<h1>${verdict}</h1>
<p>Stack ${escaped(stack)}, ${escaped(at)}, looked at in ${Math.round(seconds)} s</p>
${failed.length > 0 ? `${table("What fails", failed)}\n` : ""}${sections
  .map((title) =>
    table(
      title,
      checks.filter(({ section }) => section === title),
    ),
  )
  .join("\n")}
</html>
`;
}
