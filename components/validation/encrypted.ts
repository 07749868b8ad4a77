import * as pulumi from "@pulumi/pulumi";

/** A place in the configuration: keys, and the numbers of a list's entries. */
export type Path = readonly (string | number)[];

/** Whether a place is one of those, or lies below one. */
export const covers = (places: readonly Path[], path: Path): boolean =>
  places.some((place) => place.length <= path.length && place.every((part, index) => part === path[index]));

/** All values of a section that are no sections themselves, with their places. */
export function leavesOf(value: unknown, path: Path = []): { path: Path; value: unknown }[] {
  if (Array.isArray(value)) return value.flatMap((entry, index) => leavesOf(entry, [...path, index]));
  return isSection(value)
    ? Object.entries(value).flatMap(([key, entry]) => leavesOf(entry, [...path, key]))
    : [{ path, value }];
}

/**
 * Which values below a top-level key are stored encrypted. The engine says of a whole key only that something below it
 * is; the stack's file says what. It is believed if all else in it is what the engine has: what would be taken for
 * plain by mistake stands in plain text in that file anyway. Otherwise the whole key counts as encrypted.
 * @param stored - The key's value in the file.
 */
export const encryptedBelow = (key: string, value: unknown, stored: unknown): Path[] =>
  compare(stored, value, [key]) ?? [[key]];

function compare(stored: unknown, value: unknown, path: Path): Path[] | undefined {
  if (isSection(stored) && typeof stored.secure === "string" && Object.keys(stored).length === 1)
    return [path];
  if (!isContainer(stored) || !isContainer(value))
    return !isContainer(stored) && !isContainer(value) && String(stored) === String(value) ? [] : undefined;
  const [one, other] = [Object.entries(stored), Object.entries(value)];
  if (Array.isArray(stored) !== Array.isArray(value) || one.length !== other.length) return undefined;
  const found: Path[] = [];
  for (const [part, below] of one) {
    if (!(part in value)) return undefined;
    const place = [...path, Array.isArray(stored) ? Number(part) : part];
    const places = compare(below, (value as Record<string, unknown>)[part], place);
    if (!places) return undefined;
    found.push(...places);
  }
  return found;
}

/** The same values, each that was stored encrypted as a secret of Pulumi's, so that it is one in preview and state. */
export function keepSecret<T>(value: T, encrypted: readonly Path[], path: Path): T {
  const keep = ([key, entry]: [string | number, unknown]) => keepSecret(entry, encrypted, [...path, key]);
  if (Array.isArray(value)) return value.map((entry, index) => keep([index, entry])) as T;
  if (isSection(value))
    return Object.fromEntries(Object.entries(value).map((entry) => [entry[0], keep(entry)])) as T;
  return covers(encrypted, path) ? (pulumi.secret(value) as T) : value;
}

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !pulumi.Output.isInstance(value);

const isSection = (value: unknown): value is Record<string, unknown> =>
  isContainer(value) && !Array.isArray(value);
