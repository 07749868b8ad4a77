import {
  chmodSync,
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { cached, contentKey, inCache } from "./cache";
import { run } from "./commands";
import { findGo, goEnvironment } from "./go";
import { type BuiltTool, builtTools, goVersion } from "./pins";
import type { Done, Part } from "./progress";
import { inLines } from "./tasks";

const sources = (tool: BuiltTool) => join(__dirname, "go", tool.name);
const replacementOf = (name: string) => join(__dirname, "go", "replacements", name);

/** A key for one tool: the same sources, pins, flags and Go give the same program. */
const keyOf = (tool: BuiltTool) => {
  const { minutes: _, ...pins } = tool;
  const folders = [sources(tool), ...Object.values(tool.replaces ?? {}).map(replacementOf)];
  return contentKey([
    JSON.stringify([pins, goEnvironment, goVersion]),
    ...folders.map((folder) => contentKey([], folder)),
  ]);
};

/** A key for all of them together. */
export const builtKey = (): string => contentKey(builtTools.map(keyOf));

/** The tools that the cache does not have. */
export const missingTools = (): readonly Part[] =>
  builtTools.filter((tool) => !inCache("tools", keyOf(tool))).map(({ name, minutes }) => ({ name, minutes }));

/**
 * Builds every tool that the cache does not have yet and puts all of them where Pulumi looks for them.
 * @throws CommandError with the compiler's last lines.
 */
export async function buildTools(home: string, done: Done = () => {}): Promise<void> {
  let go: Promise<string> | undefined;
  // Not before it is needed: where the cache has all tools already, nobody needs a Go.
  const onceFound = () => {
    go ??= findGo();
    return go;
  };
  const tasks = builtTools.map((tool) => ({
    title: tool.name,
    task: async () => {
      const built = await cached("tools", keyOf(tool), async (directory) =>
        buildTool(tool, directory, await onceFound()),
      );
      const target = join(home, tool.path);
      mkdirSync(dirname(target), { recursive: true });
      linkSync(join(built, basename(tool.path)), target);
      done(tool.name);
    },
  }));
  // One build keeps about four cores busy; its last minute, linking, only one.
  await inLines(tasks, { concurrent: Math.ceil(availableParallelism() / 4) });
}

async function buildTool(tool: BuiltTool, directory: string, go: string): Promise<void> {
  const work = join(directory, "source");
  cpSync(sources(tool), work, { recursive: true });
  const inWork = (...args: string[]) => run(go, args, { cwd: work, env: goEnvironment });
  const folderOf = async (module: string): Promise<string> =>
    JSON.parse(await inWork("mod", "download", "-json", module)).Dir;
  if (tool.copies) {
    const module = await folderOf(tool.copies.module);
    for (const file of tool.copies.files) {
      const copy = join(work, basename(file));
      copyFileSync(join(module, file), copy);
      chmodSync(copy, 0o644);
    }
  }
  for (const [module, name] of Object.entries(tool.replaces ?? {})) {
    // In a copy, since Go's cache of modules can be neither written to nor overlaid.
    const replacement = join(work, "replacements", name);
    cpSync(await folderOf(module), replacement, { recursive: true });
    await run("chmod", ["--recursive", "u+w", replacement]);
    cpSync(replacementOf(name), replacement, { recursive: true });
    for (const { file, after, insert } of (tool.edits ?? []).filter((edit) => edit.module === module)) {
      const path = join(replacement, file);
      const [before, rest, ...more] = readFileSync(path, "utf8").split(after);
      if (rest === undefined || more.length > 0)
        throw new Error(
          `${tool.name}: ${file} does not have ${JSON.stringify(after)} once; see toolchain/pins.ts`,
        );
      writeFileSync(path, `${before}${after}${insert}${rest}`);
    }
    await inWork("mod", "edit", `-replace=${module}=./replacements/${name}`);
  }
  // -s -w: without symbols and debugger's data, a third smaller and quicker to link.
  const flags = ["-s", "-w", ...Object.entries(tool.variables).map(([name, value]) => `-X ${name}=${value}`)];
  await inWork(
    "build",
    "-ldflags",
    flags.join(" "),
    "-o",
    join(directory, basename(tool.path)),
    tool.package,
  );
  rmSync(work, { recursive: true });
}
