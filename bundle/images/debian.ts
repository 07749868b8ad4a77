import { linkSync, mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../toolchain/commands";
import { architecture } from "../../toolchain/pins";
import type { DebianArchive } from "../debian/archive";
import { writePackages } from "../debian/repository";
import { recipe, type Workshop } from "../workshop";

const clean = join(__dirname, "clean.sh");

/** What nobody reads in an image. */
const excluded = ["doc", "info", "locale", "man"].map(
  (folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`,
);

/**
 * Makes a root file system of Debian packages with all that they depend on and what Debian cannot be without; their
 * maintainers' scripts have run, so that users and the like are there. @returns the path of a tar with it.
 * @throws CommandError with the last lines of what failed.
 */
export async function debianRoot(
  packages: readonly string[],
  archive: DebianArchive,
  workshop: Workshop,
): Promise<string> {
  const words = ["root", [...packages].sort(), archive.words, architecture.go, recipe(__filename, clean)];
  const directory = await workshop.part(
    words,
    async (directory) => {
      const closure = await archive.closure([...packages, "?essential"]);
      await workshop.limits.root.run(async () => {
        // What apt has fetched and verified already is all that mmdebstrap gets to see.
        const pool = join(directory, "pool");
        const work = join(directory, "work");
        for (const folder of [pool, work]) mkdirSync(folder);
        for (const { file } of closure) linkSync(file, join(pool, basename(file)));
        await writePackages(pool, join(pool, "Packages"));
        const options = [
          "--variant=essential",
          `--include=${packages.join(",")}`,
          "--format=tar",
          `--architectures=${architecture.go}`,
          '--aptopt=APT::Install-Recommends "false"',
          '--aptopt=APT::Sandbox::User "root"',
          "--dpkgopt=force-unsafe-io",
          ...excluded,
          `--customize-hook=sh ${quoted(clean)} "$1"`,
          // Containers get devices of their own.
          "--skip=output/dev",
        ];
        // No suite: the packages are all of one.
        const mmdebstrap = [...options, "", join(directory, "root.tar"), `deb [trusted=yes] copy:${pool} ./`];
        // As root in a mount namespace of its own: whatever way it ends, nothing stays mounted on the host.
        const command =
          process.getuid?.() === 0
            ? (["unshare", "--mount", "mmdebstrap", "--mode=root"] as const)
            : (["mmdebstrap", "--mode=unshare"] as const);
        const [program, ...first] = command;
        await run(program, [...first, ...mmdebstrap], { env: { SOURCE_DATE_EPOCH: "0", TMPDIR: work } });
        for (const folder of [pool, work]) rmSync(folder, { recursive: true });
      });
    },
    { pinned: false },
  );
  return join(directory, "root.tar");
}

const quoted = (text: string): string => `'${text.replace(/'/g, "'\\''")}'`;
