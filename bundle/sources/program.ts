import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { contentKey } from "../../toolchain/cache";
import { run } from "../../toolchain/commands";
import { goEnvironment } from "../../toolchain/go";
import { goVersion } from "../../toolchain/pins";
import type { CSource, GoSource } from "../specification";
import type { Workshop } from "../workshop";

/** The go command's arguments and environment for a program; what it is built with decides its key. */
export function goCommand(source: GoSource): { args: string[]; env: Record<string, string> } {
  const flags = [
    "-s",
    "-w",
    ...Object.entries(source.variables).map(([name, value]) => `-X '${name}=${value}'`),
  ];
  if (source.cgo) flags.push("-linkmode external", "-extldflags -static");
  // With these, name and user lookups are Go's own: glibc's would want its libraries at run time.
  const tags = source.cgo ? [...source.tags, "netgo", "osusergo"] : source.tags;
  const args = ["build", "-ldflags", flags.join(" "), ...(tags.length > 0 ? ["-tags", tags.join(",")] : [])];
  return {
    args: [...args, source.package],
    env: { ...goEnvironment, CGO_ENABLED: source.cgo ? "1" : "0" },
  };
}

/** What tells a program from all others: where it is built from, and how. */
function partOf(source: GoSource, workshop: Workshop): readonly unknown[] {
  const { args, env } = goCommand(source);
  return ["go", args, env, goVersion, contentKey([], resolve(workshop.directory, source.module))];
}

/** What a program is called in the progress of a build. */
export const nameOf = ({ module, package: path }: GoSource): string => `${module} ${path}`;

/** Whether the cache has a program already. */
export const hasGo = (source: GoSource, workshop: Workshop): boolean =>
  workshop.has(partOf(source, workshop));

/**
 * Builds a program from Go modules. @returns its path.
 * @throws CommandError with the compiler's last lines.
 */
export async function buildGo(source: GoSource, workshop: Workshop): Promise<string> {
  const folder = resolve(workshop.directory, source.module);
  const { args, env } = goCommand(source);
  const directory = await workshop.part(partOf(source, workshop), (directory) =>
    workshop.limits.go.run(async () => {
      const work = join(directory, "source");
      cpSync(folder, work, { recursive: true });
      const [command = "", ...rest] = args;
      await run(await workshop.findGo(), [command, "-o", join(directory, "program"), ...rest], {
        cwd: work,
        env,
      });
      rmSync(work, { recursive: true });
      workshop.done(nameOf(source));
    }),
  );
  return join(directory, "program");
}

/**
 * Compiles a program from one C file of a Go module. @returns its path.
 * @throws CommandError with the compiler's last lines; Error if go.sum does not pin the module.
 */
export async function buildC(source: CSource, workshop: Workshop): Promise<string> {
  const folder = resolve(workshop.directory, source.module);
  const flags = ["-static", "-Os", "-s", ...source.flags];
  const words = ["c", source.of, source.file, flags, contentKey([], folder)];
  const directory = await workshop.part(words, (directory) =>
    workshop.limits.go.run(async () => {
      const work = join(directory, "source");
      cpSync(folder, work, { recursive: true });
      const downloaded = await run(await workshop.findGo(), ["mod", "download", "-json", source.of], {
        cwd: work,
        env: goEnvironment,
      });
      const module: { Path: string; Version: string; Sum: string; Dir: string } = JSON.parse(downloaded);
      const sums = existsSync(join(folder, "go.sum")) ? readFileSync(join(folder, "go.sum"), "utf8") : "";
      if (!sums.split("\n").includes(`${module.Path} ${module.Version} ${module.Sum}`))
        throw new Error(`${join(source.module, "go.sum")} does not pin ${module.Path} ${module.Version}`);
      // By its path in the module, so that the program does not remember where the module lay.
      await run("cc", [...flags, "-o", join(directory, "program"), source.file], { cwd: module.Dir });
      rmSync(work, { recursive: true });
    }),
  );
  return join(directory, "program");
}
