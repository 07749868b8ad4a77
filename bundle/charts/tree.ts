import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { contentKey } from "../../toolchain/cache";
import { run } from "../../toolchain/commands";
import { chartFolders } from "../read";
import type { Chart } from "../specification";
import { recipe, type Workshop } from "../workshop";
import { describe, localDependencies, repositoriesOf } from "./dependencies";
import { Helm } from "./helm";

/**
 * Gives the folder of a chart with all charts that it depends on, at any depth, unpacked in its `charts/`: what Helm
 * can install without asking anybody. @returns its path.
 * @throws CommandError with what Helm says.
 */
export async function chartTree(chart: Chart, workshop: Workshop): Promise<string> {
  const { name, repository, version } = chart;
  const folders = chartFolders(chart, workshop.directory);
  const contents = folders.map((folder) => contentKey([], folder));
  const words = ["chart", name, repository, version, contents, recipe(__filename)];
  const locked = folders.every(
    (folder) =>
      existsSync(join(folder, "Chart.lock")) ||
      repositoriesOf(folder).every((url) => url.startsWith("file://")),
  );
  const directory = await workshop.part(
    words,
    (directory) =>
      workshop.limits.download.run(async () => {
        const helm = await Helm.open(workshop, join(directory, "helm"));
        const target = join(directory, name);
        if (chart.path !== undefined) {
          // So deep that the folders beside it, on which it may depend, have a place beside it here, too.
          const root = join(directory, "work");
          const deep = join(root, ...Array<string>(8).fill("work"), name);
          await assemble(resolve(workshop.directory, chart.path), deep, root, helm);
          renameSync(deep, target);
          rmSync(root, { recursive: true });
        } else {
          const source = await helm.repository(repository as string);
          const pull = ["--version", version as string, "--untar", "--untardir", directory];
          await helm.run("pull", `${source}/${name}`, ...pull);
        }
        await unpackDependencies(target);
        rmSync(join(directory, "helm"), { recursive: true });
      }),
    { pinned: chart.path !== undefined && locked },
  );
  return join(directory, name);
}

/** Copies a chart and those beside it that it depends on, and fetches the others. */
async function assemble(source: string, target: string, root: string, helm: Helm): Promise<void> {
  if (existsSync(target)) return;
  if (relative(root, target).startsWith(".."))
    throw new Error(`${source} is too far from the chart that needs it`);
  cpSync(source, target, { recursive: true, dereference: true });
  for (const dependency of localDependencies(source))
    await assemble(resolve(source, dependency), resolve(target, dependency), root, helm);
  if (isComplete(target)) return;
  for (const repository of repositoriesOf(source))
    if (!repository.startsWith("file://")) await helm.repository(repository);
  const locked = existsSync(join(target, "Chart.lock"));
  await helm.run("dependency", locked ? "build" : "update", "--skip-refresh", target);
  // It tells the hour, and is of no use where the dependencies are all there.
  if (!locked) rmSync(join(target, "Chart.lock"), { force: true });
}

/** Whether a chart brings all its dependencies with it. */
function isComplete(folder: string): boolean {
  const dependencies = describe(folder).dependencies ?? [];
  const present = existsSync(join(folder, "charts")) ? readdirSync(join(folder, "charts")) : [];
  return dependencies.every(({ name }) =>
    present.some((file) => file === name || file.startsWith(`${name}-`)),
  );
}

/** Unpacks the charts that a chart holds as archives, which would differ each time that they are packed. */
async function unpackDependencies(folder: string): Promise<void> {
  const charts = join(folder, "charts");
  if (!existsSync(charts)) return;
  for (const archive of readdirSync(charts)
    .filter((name) => name.endsWith(".tgz"))
    .sort()) {
    const unpacked = join(charts, `${archive}.unpacked`);
    mkdirSync(unpacked);
    await run("tar", [
      "--extract",
      "--no-same-owner",
      "--directory",
      unpacked,
      "--file",
      join(charts, archive),
    ]);
    const [name = ""] = readdirSync(unpacked);
    // Two versions of one chart, under aliases, keep their versions in the name.
    const target = join(charts, existsSync(join(charts, name)) ? basename(archive, ".tgz") : name);
    renameSync(join(unpacked, name), target);
    rmSync(unpacked, { recursive: true });
    rmSync(join(charts, archive));
  }
  for (const entry of readdirSync(charts, { withFileTypes: true }))
    if (entry.isDirectory()) await unpackDependencies(join(charts, entry.name));
}
