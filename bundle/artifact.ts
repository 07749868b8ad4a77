import { existsSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ArtifactManifest, renderManifest } from "../components/artifact/manifest";
import { manifestName, readManifest } from "../components/artifact/reader/bundle";
import { readArtifact } from "../components/artifact/reader/read";
import { isUrl, type OnProgress, type Progress } from "../components/artifact/reader/source";
import { verifyArtifact } from "../components/artifact/reader/verify";
import { runMain } from "../toolchain/commands";
import { table } from "../toolchain/table";

const usage = `usage:
  npm run artifact -- manifest LOCATION [-o FILE]         write what an artifact holds, to FILE or the screen
  npm run artifact -- verify LOCATION [--manifest FILE]   compare an artifact with its manifest, byte for byte
  npm run artifact -- show FILE|LOCATION                  say what an artifact holds, from its manifest or itself

LOCATION is a path or URL of Wire's wire-server-deploy-static-<HASH>.tgz, or the path of a bundle's folder.`;

/** `npm run artifact`: looks at offline artifacts. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { output: { type: "string", short: "o" }, manifest: { type: "string" } },
  });
  const [command, given, ...others] = positionals;
  if (!given || others.length > 0) throw new Error(usage);
  const location = isUrl(given) ? given : asTyped(given);
  const onProgress = reporter();
  switch (command) {
    case "manifest": {
      const manifest = await readArtifact(location, { onProgress });
      for (const { path, problem } of manifest.unusable ?? [])
        console.error(`${path} ${problem}: whoever needs this image will be told`);
      const text = renderManifest(manifest);
      if (values.output) writeFileSync(asTyped(values.output), text);
      else process.stdout.write(text);
      return 0;
    }
    case "verify":
      return verify(location, values.manifest && asTyped(values.manifest), onProgress);
    case "show":
      console.log(
        summary(
          location.endsWith(".json") ? readManifest(location) : await readArtifact(location, { onProgress }),
        ),
      );
      return 0;
    default:
      throw new Error(usage);
  }
}

/** A path as it was typed: npm runs commands in the project's folder and keeps the one it was called in here. */
const asTyped = (path: string) => resolve(process.env.INIT_CWD ?? ".", path);

async function verify(
  location: string,
  manifestFile: string | undefined,
  onProgress: OnProgress,
): Promise<number> {
  const isFolder = !isUrl(location) && existsSync(location) && statSync(location).isDirectory();
  const file = manifestFile ?? (isFolder ? join(location, manifestName) : undefined);
  if (!file)
    throw new Error(
      "Wire's artifact brings no checksums along: say with --manifest FILE what to compare it with. Make that file with " +
        '"npm run artifact -- manifest" from the first copy, the one that came straight from Wire',
    );
  const manifest = readManifest(file);
  if ((manifest.layout === "bundle") !== isFolder)
    throw new Error(
      `${file} describes ${manifest.layout === "bundle" ? "a bundle, which is a folder" : "an archive of Wire's"}, and ${location} is none`,
    );
  const findings = await verifyArtifact(location, manifest, { onProgress });
  for (const { archive, path, problem, remedy } of findings)
    console.log(`${path ? `${archive}: ${path}` : archive} ${problem}\n  → ${remedy}`);
  if (findings.length > 0) {
    console.log(`\n${findings.length} findings: do not use ${location}`);
    return 1;
  }
  console.log(`${manifest.files.length} files, ${bytes(total(manifest.files))}: all as ${file} says`);
  return 0;
}

function summary({ name, layout, archives, apt, files }: ArtifactManifest): string {
  const kinds = [...new Set(files.map(({ kind }) => kind))].sort();
  const named = files.filter((file) => file.kind === "binary" && file.name);
  const images = files.flatMap(({ image, size }) =>
    image ? [[image.set, image.reference, bytes(size)]] : [],
  );
  return [
    `${name}, layout ${layout}`,
    table(
      ["archive", "size", "SHA-256"],
      archives.map((file) => [file.name, bytes(file.size), file.sha256]),
    ),
    table(
      ["kind", "files", "size"],
      kinds.map((kind) => {
        const those = files.filter((file) => file.kind === kind);
        return [kind, `${those.length}`, bytes(total(those))];
      }),
    ),
    ...apt.map(({ path, suite, components }) => `apt repository ${path}: ${suite} ${components.join(" ")}`),
    table(
      ["binary", "version", "file"],
      named.map((file) => [file.name ?? "", file.version ?? "", file.path]),
    ),
    table(["set", "image", "size"], images.sort()),
  ].join("\n\n");
}

const total = (files: readonly { size: number }[]) => files.reduce((sum, { size }) => sum + size, 0);

/** Bytes as people read them, in powers of 1000 as disks are sold. */
function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), units.length - 1);
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Says on standard error how far it is, every 5 s. What takes less long says nothing. */
function reporter(): OnProgress {
  let next = Date.now() + 5000;
  return ({ archive, done, total }: Progress) => {
    if (Date.now() < next) return;
    next = Date.now() + 5000;
    const of = total ? ` of ${bytes(total)}, ${Math.floor((100 * done) / total)} %` : "";
    console.error(`${archive}: ${bytes(done)}${of}`);
  };
}

runMain(main, usage);
