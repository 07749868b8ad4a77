import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runMain } from "./commands";
import { projectDirectory, pulumiEnvironment } from "./environment";
import { installToolchain } from "./install";
import { libvirtProvider } from "./pins";
import { pulumiOutput } from "./pulumi";

const sdks = join(projectDirectory, "sdks");

/**
 * Generates sdks/libvirt anew from the Terraform provider, which is how Pulumi has it since
 * @pulumi/libvirt left npm: `npm run sdk`, after a change of its version in pins.ts.
 */
async function main(): Promise<number> {
  const toolchain = await installToolchain();
  // Within the project, so that the compiler finds the packages that the sources import.
  const directory = mkdtempSync(join(sdks, "generating-"));
  try {
    await generate(pulumiEnvironment(toolchain), directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
  return 0;
}

async function generate(env: Readonly<Record<string, string>>, directory: string): Promise<void> {
  const { name, source, version } = libvirtProvider;
  // `pulumi package add` would do this and link the package, which fails with a language host built from
  // modules; package.json names the folder anyway.
  await pulumiOutput(env, [
    ...["package", "gen-sdk", "--language", "nodejs", "--local", "--out", directory],
    ...["terraform-provider", "--", source, version],
  ]);
  const sources = join(directory, "nodejs");
  // A generator built with Go 1.26 takes these paths for those of the folder above.
  edit(join(sources, "config", "vars.ts"), (text) => text.replace('"./utilities"', '"../utilities"'));
  edit(join(sources, "types", "index.ts"), (text) => text.replace('"./utilities"', '"../utilities"'));
  for (const file of ["input.ts", "output.ts"])
    edit(join(sources, "types", file), (text) => text.replaceAll('"./types/', '"../types/'));
  edit(join(sources, "package.json"), (text) => {
    const { scripts: _, devDependencies: __, ...rest } = JSON.parse(text);
    return `${JSON.stringify({ ...rest, main: "index.js", types: "index.d.ts" }, null, 2)}\n`;
  });

  // The sources are for tsc with their own settings alone: esbuild, which tsx and vitest compile with, makes
  // fields that hide the outputs and exports that cannot be loaded lazily, and they are not strict enough
  // for ours. So it is the compiled package that is kept, like those on npm.
  const target = join(sdks, name);
  rmSync(target, { recursive: true, force: true });
  await run(join(projectDirectory, "node_modules", ".bin", "tsc"), [
    ...["--project", sources, "--outDir", target],
    ...["--sourceMap", "false", "--skipLibCheck", "--types", "node"],
  ]);
  writeFileSync(join(target, "package.json"), readFileSync(join(sources, "package.json")));
}

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, "utf8")));
}

runMain(
  main,
  `usage: npm run sdk

Generates sdks/libvirt anew from the Terraform provider.`,
);
