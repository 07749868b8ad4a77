import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "./commands";
import { download } from "./download";
import { official } from "./pins";

/**
 * Puts Pulumi's own build of the CLI and its language hosts into `home`; the engine fetches its plugins
 * by itself then.
 * @throws Error naming each place that was tried, if none gives the pinned file.
 */
export async function installOfficial(
  home: string,
  { urls, sha256 }: { readonly urls: readonly string[]; readonly sha256: string } = official,
): Promise<void> {
  const archive = join(home, "pulumi.tar.gz");
  const refusals: string[] = [];
  for (const url of urls) {
    try {
      await download(url, archive, sha256);
      await run("tar", ["-xzf", archive, "-C", home]);
      rmSync(archive);
      renameSync(join(home, "pulumi"), join(home, "bin"));
      return;
    } catch (error) {
      refusals.push((error as Error).message);
    }
  }
  throw new Error(refusals.join("\n    "));
}
