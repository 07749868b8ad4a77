import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import type { ReleaseName } from "../config/releases";

/** Values of a chart. What only a run knows is an output somewhere inside. */
export interface Values {
  readonly [key: string]: unknown;
}

/** The part of a release's values that is the same for everybody: `charts-values/<release>.yaml`. */
export const staticValues = (release: ReleaseName): Values =>
  parse(readFileSync(join(__dirname, "../../charts-values", `${release}.yaml`), "utf8")) ?? {};

/** Puts values over one another as Helm does: sections are merged, everything else (lists too) is replaced. */
export function mergeValues(...layers: readonly Values[]): Values {
  const merged: Record<string, unknown> = {};
  for (const layer of layers)
    for (const [key, value] of Object.entries(layer)) {
      if (value === undefined) continue;
      const below = merged[key];
      // A section on its own is merged as well, so that what is undefined inside it goes.
      merged[key] = isSection(value) ? mergeValues(isSection(below) ? below : {}, value) : value;
    }
  return merged;
}

/** Values without some of them, each named by the keys that lead to it, joined by dots; sections go as a whole. */
export const withoutPaths = (values: Values, paths: readonly string[]): Values =>
  Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => {
      if (paths.includes(key)) return [];
      const below = paths.flatMap((path) => (path.startsWith(`${key}.`) ? [path.slice(key.length + 1)] : []));
      return [[key, below.length > 0 && isSection(value) ? withoutPaths(value, below) : value]];
    }),
  );

const isSection = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !pulumi.Output.isInstance(value);
