import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** The part of a Chart.yaml that matters here. */
interface Description {
  readonly version?: string;
  readonly dependencies?: readonly { readonly name: string; readonly repository?: string }[];
}

/** What a chart says of itself. */
export const describe = (folder: string): Description =>
  parse(readFileSync(join(folder, "Chart.yaml"), "utf8")) ?? {};

/** The repositories that a chart's dependencies come from, each once. */
export const repositoriesOf = (folder: string): string[] => [
  ...new Set(
    (describe(folder).dependencies ?? []).flatMap(({ repository }) => (repository ? [repository] : [])),
  ),
];

/** The charts in other folders that a chart depends on, as paths relative to its own. */
export const localDependencies = (folder: string): string[] =>
  repositoriesOf(folder)
    .filter((repository) => repository.startsWith("file://"))
    .map((repository) => repository.slice("file://".length));
