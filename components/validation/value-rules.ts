import { quote } from "../config/quote";
import type { ReleaseName } from "../config/releases";
import { staticValues } from "../wire/values";
import type { Problem, Sections } from "./problem";

/** Values of a chart by key. */
type Section = Readonly<Record<string, unknown>>;

const isSection = (value: unknown): value is Section =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Values that have another shape than those that they take the place of. Helm would drop the whole section with a
 * warning that nobody sees, or fail while machines wait.
 */
export const valueRules = ({ wire }: Sections<"wire">): Problem[] =>
  Object.entries(wire.values).flatMap(([release, values]) =>
    shapeProblems(`wire.values.${release}`, values as Section, staticValues(release as ReleaseName)),
  );

function shapeProblems(place: string, given: Section, own: Section): Problem[] {
  return Object.entries(given).flatMap(([name, value]): Problem[] => {
    const key = `${place}.${/^[A-Za-z][\w-]{0,39}$/.test(name) ? name : `${name.slice(0, 3)}…`}`;
    const there = own[name];
    // Helm takes a key away for which null is given.
    if (value === null || value === undefined)
      return isSection(there) && Object.keys(there).length > 0
        ? [{ key, message: "has no value, and would take away the whole section: leave the key out" }]
        : [];
    if (counted.test(name))
      return Number.isSafeInteger(value) && Number(value) >= 0
        ? []
        : [{ key, message: `must be a whole number, 0 or more; found ${quote(value)}` }];
    if (isSection(there) && !isSection(value))
      return [
        {
          key,
          message: `must be a section with keys below it (${Object.keys(there).slice(0, 6).join(", ")}); found ${quote(value)}`,
        },
      ];
    if (isSection(value))
      return there !== undefined && there !== null && !isSection(there)
        ? [{ key, message: `must be a value such as ${quote(there)}, not a section` }]
        : shapeProblems(key, value, isSection(there) ? there : {});
    return [];
  });
}

/** Keys whose value is a number of pods, whatever the chart. */
const counted = /^(replicaCount|replicas)$/;

/** The sizes of pools that {@link connectionRules} reckons with. @returns what is wrong with them. */
export function poolProblems(values: Section | undefined): Problem[] {
  return Object.entries(values ?? {}).flatMap(([service, section]) =>
    [section, (section as Section | null)?.config].flatMap((one, index) => {
      const pool = isSection(one) ? one.postgresqlPool : undefined;
      if (!isSection(pool) || pool.size === undefined) return [];
      return Number.isSafeInteger(pool.size) && Number(pool.size) > 0
        ? []
        : [
            {
              key: `wire.values.wire-server.${service}.${index === 1 ? "config." : ""}postgresqlPool.size`,
              message: `must be a whole number, 1 or more; found ${quote(pool.size)}`,
            },
          ];
    }),
  );
}
