import type { Values } from "../components/wire/values";

/** A value in the values of a chart: the keys that lead to it. */
export type Path = readonly string[];

/** Renders a chart with values. */
export type Render = (values: Values) => Promise<string>;

/** All values that are no sections, lists among them. */
export function leavesOf(values: Values, above: Path = []): Path[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const path = [...above, key];
    return isSection(value) && Object.keys(value).length > 0 ? leavesOf(value, path) : [path];
  });
}

const isSection = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const valueAt = (values: Values, path: Path): unknown =>
  path.reduce<unknown>((section, key) => (section as Values)[key], values);

/** The same values with another one in one place. */
const replace = (values: Values, [key, ...below]: Path, value: unknown): Values =>
  key === undefined
    ? values
    : { ...values, [key]: below.length === 0 ? value : replace(values[key] as Values, below, value) };

/** Another value of the same type. */
function another(value: unknown, mark: string): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return value + 1;
  return Array.isArray(value) ? [mark] : mark;
}

/** When something was rendered is no effect of a value. */
const withoutTime = (text: string): string => text.replace(/\d{4}-\d\d-\d\dT[\d:]+(Z|[+-][\d:]+)/g, "");

/** A rendered chart with what it has in base64 beside it, as text. */
const readable = (text: string): string =>
  [
    text,
    ...(text.match(/[A-Za-z0-9+/]{16,}={0,2}/g) ?? []).map((word) => Buffer.from(word, "base64").toString()),
  ].join("\n");

/**
 * The values that a chart does not know: changing one changes nothing of what is rendered. Asked of the chart itself,
 * since a template may reach a value in ways that no reading of its text follows.
 * @param base - What the values render to.
 * @param alternatives - Further values to try, by key.
 */
export async function findUnknown(
  values: Values,
  base: string,
  render: Render,
  alternatives: Readonly<Record<string, unknown>> = {},
): Promise<Path[]> {
  const leaves = leavesOf(values);
  const mark = (index: number) => `wiableaf${index}x`;
  const texts = leaves
    .map((path, index) => ({ path, index }))
    .filter(({ path }) => typeof valueAt(values, path) === "string");
  // All texts at once first: most of them can be told by a mark that comes out somewhere.
  const marked = await render(
    texts.reduce((all, { path, index }) => replace(all, path, mark(index)), values),
  ).then(readable, () => "");
  // A chart that refuses a change has read the value.
  const matters = async (changed: Values) =>
    withoutTime(await render(changed).catch(() => "")) !== withoutTime(base);
  const unknown: Path[] = [];
  for (const [index, path] of leaves.entries()) {
    if (marked.includes(mark(index))) continue;
    const other = alternatives[path.join(".")];
    const others = [
      another(valueAt(values, path), mark(index)),
      // Gone with the chart's own value, and gone from ours alone: some templates ask whether it is there.
      ...[null, undefined],
      ...(other === undefined ? [] : [other]),
    ];
    if (!(await someAsync(others, (other) => matters(replace(values, path, other))))) unknown.push(path);
  }
  return unknown;
}

async function someAsync<Item>(
  items: readonly Item[],
  holds: (item: Item) => Promise<boolean>,
): Promise<boolean> {
  for (const item of items) if (await holds(item)) return true;
  return false;
}
