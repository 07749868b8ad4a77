import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../toolchain/commands";
import { unzip } from "../../toolchain/zip";

/**
 * Packs Elasticsearch's zip, which Maven Central has, into a Debian package with its programs where its makers' package
 * has them. That one, which Wire ships, is on their own site alone.
 * @param folder where the zip is; the package takes its place.
 */
export async function packElasticsearch(folder: string): Promise<void> {
  const zip = readdirSync(folder).find((name) => /^elasticsearch-oss-.+\.zip$/.test(name));
  const version = /^elasticsearch-oss-(.+)\.zip$/.exec(zip ?? "")?.[1];
  if (!zip || !version) throw new Error(`${folder} has no elasticsearch-oss-VERSION.zip`);
  const tree = join(folder, "elasticsearch");
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  writeFileSync(
    join(tree, "DEBIAN", "control"),
    `Package: elasticsearch-oss
Version: ${version}
Architecture: all
Maintainer: Wire in a Box Staging
Description: Elasticsearch's zip in the place of its makers' package
`,
  );
  unzip(join(folder, zip), join(tree, "usr", "share"), (name) => name.replace(/^[^/]+/, "elasticsearch"));
  await run(
    "dpkg-deb",
    ["--root-owner-group", "-Zgzip", "-z1", "--build", tree, join(folder, zip.replace(/zip$/, "deb"))],
    {
      env: { SOURCE_DATE_EPOCH: "0" },
    },
  );
  rmSync(tree, { recursive: true });
  rmSync(join(folder, zip));
}
