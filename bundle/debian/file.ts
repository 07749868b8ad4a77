import { lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../toolchain/commands";
import { recipe, type Workshop } from "../workshop";
import type { DebianArchive } from "./archive";

/**
 * Takes a file out of a Debian package; `deb` is `package:/path`. @returns its path.
 * @throws Error if the package has no such file.
 */
export async function fileOfPackage(
  deb: string,
  workshop: Workshop,
  archive: DebianArchive,
): Promise<string> {
  const colon = deb.indexOf(":");
  const name = deb.slice(0, colon);
  const path = deb.slice(colon + 1);
  const words = ["deb", deb, archive.words, recipe(__filename)];
  const directory = await workshop.part(
    words,
    async (directory) => {
      const deb = (await archive.closure([name])).find((found) => found.name === name);
      if (!deb) throw new Error(`${name} is no package's own name`);
      const tree = join(directory, "tree");
      mkdirSync(tree);
      const script =
        'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar --extract --no-same-owner --directory "$2" "./$3"';
      await run("bash", ["-c", script, "bash", deb.file, tree, path.replace(/^\/+/, "")]).catch(
        (error: Error) => {
          throw new Error(`the Debian package ${name} ${deb.version} has no file ${path}`, { cause: error });
        },
      );
      if (!lstatSync(join(tree, path)).isFile())
        throw new Error(
          `${path} in the Debian package ${name} ${deb.version} is a link or a folder, not a file`,
        );
      renameSync(join(tree, path), join(directory, "file"));
      rmSync(tree, { recursive: true });
    },
    { pinned: false },
  );
  return join(directory, "file");
}
