import type { Link, Timings } from "./chain";

/** Sizes in pixels. */
const size = { width: 1200, names: 330, row: 16, bar: 10, top: 36, margin: 12 };

/** What takes less than this part of a run is too short to be seen. */
const shortest = 0.01;

const colours = { chain: "#c2410c", other: "#94a3b8", text: "#1e293b", grid: "#e2e8f0" };

/**
 * Draws a run: a line a resource, in the order in which the engine began, as long as it took; those of the longest chain
 * stand out.
 * @param title said above it, such as the day and the machine.
 * @returns An SVG of its own, on white.
 * @throws Error if nothing took any time.
 */
export function renderTimeline(title: string, { spans }: Timings, chain: readonly Link[]): string {
  const begin = Math.min(...[...spans.values()].map(({ from }) => from));
  const seconds = (Math.max(...[...spans.values()].map(({ to }) => to)) - begin) / 1000;
  if (!(seconds > 0)) throw new Error("there is no resource that took any time: nothing to draw");
  const shown = [...spans]
    .map(([urn, { from, to }]) => ({ urn, from: (from - begin) / 1000, took: (to - from) / 1000 }))
    .filter(({ took }) => took >= seconds * shortest)
    .sort((a, b) => a.from - b.from);
  const onChain = new Set(chain.map(({ urn }) => urn));
  const scale = (size.width - size.names - 60 - size.margin) / seconds;
  const x = (at: number) => (size.names + at * scale).toFixed(1);
  const bottom = size.top + 20 + shown.length * size.row;
  const ticks = Array.from(
    { length: Math.floor(seconds / tickOf(seconds)) + 1 },
    (_, i) => i * tickOf(seconds),
  );
  const left = spans.size - shown.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${bottom + 30}" font-family="sans-serif" font-size="11" fill="${colours.text}">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="${size.margin}" y="20" font-size="13">${quoted(title)}</text>`,
    ...ticks.flatMap((at) => [
      `<line x1="${x(at)}" y1="${size.top + 12}" x2="${x(at)}" y2="${bottom}" stroke="${colours.grid}"/>`,
      `<text x="${x(at)}" y="${size.top + 8}" text-anchor="middle">${at} s</text>`,
    ]),
    ...shown.flatMap(({ urn, from, took }, index) => {
      const y = size.top + 18 + index * size.row;
      const marked = onChain.has(urn);
      return [
        `<text x="${size.names - 6}" y="${y + 9}" text-anchor="end"${marked ? ' font-weight="bold"' : ""}>${quoted(nameIn(urn))}</text>`,
        `<rect x="${x(from)}" y="${y}" width="${Math.max(1, took * scale).toFixed(1)}" height="${size.bar}" fill="${marked ? colours.chain : colours.other}"/>`,
        `<text x="${(Number(x(from + took)) + 4).toFixed(1)}" y="${y + 9}">${took.toFixed(1)}</text>`,
      ];
    }),
    `<text x="${size.margin}" y="${bottom + 20}">Red: the longest chain of dependencies. ${left} resources of less than ${(seconds * shortest).toFixed(1)} s each are not drawn.</text>`,
    "</svg>\n",
  ].join("\n");
}

const nameIn = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

/** Seconds from one mark of the axis to the next, so that there are about ten. */
const tickOf = (seconds: number): number =>
  [1, 2, 5, 10, 20, 30, 60, 120, 300].find((step) => seconds / step <= 12) ?? 600;

const quoted = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
