import { mkdirSync, renameSync, rmSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { run } from "../lab/host/commands";
import { download, downloadText } from "./download";
import { pulumiRelease, pulumiVersion } from "./pins";

/**
 * Puts Pulumi's own build of the CLI and its language hosts into `home`; the engine fetches its plugins
 * by itself then. The archive is checked against the checksums that Pulumi publishes beside it.
 * @throws Error if the release cannot be reached from here or does not pass the check.
 */
export async function installOfficial(home: string, release = pulumiRelease): Promise<void> {
  const archive = `pulumi-v${pulumiVersion}-linux-${arch() === "arm64" ? "arm64" : "x64"}.tar.gz`;
  const checksums = await downloadText(`${release}/pulumi-${pulumiVersion}-checksums.txt`);
  const sha256 = new RegExp(`^([0-9a-f]{64})\\s+\\*?${archive.replaceAll(".", "\\.")}$`, "m").exec(
    checksums,
  )?.[1];
  if (!sha256) throw new Error(`${release} has no checksum for ${archive}`);
  mkdirSync(home, { recursive: true });
  const file = join(home, archive);
  await download(`${release}/${archive}`, file, sha256);
  await run("tar", ["-xzf", file, "-C", home]);
  rmSync(file);
  renameSync(join(home, "pulumi"), join(home, "bin"));
}
