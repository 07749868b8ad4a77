import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDirectory, pulumiEnvironment } from "./environment";
import { installToolchain } from "./install";
import { libvirtProvider } from "./pins";
import { pulumiOutput } from "./pulumi";

/**
 * Generates sdks/libvirt anew from the Terraform provider, which is how Pulumi has it since
 * @pulumi/libvirt left npm: `npm run sdk`, after a change of its version in pins.ts.
 */
async function main(): Promise<void> {
  const toolchain = await installToolchain();
  const directory = mkdtempSync(join(tmpdir(), "wiab-sdk-"));
  const target = join(projectDirectory, "sdks", "libvirt");
  const { source, version } = libvirtProvider;
  await pulumiOutput(pulumiEnvironment(toolchain), [
    ...["package", "gen-sdk", "--language", "nodejs", "--out", directory],
    ...["terraform-provider", source, version],
  ]);
  rmSync(target, { recursive: true, force: true });
  // A rename would not cross file systems.
  cpSync(join(directory, "nodejs"), target, { recursive: true });
  rmSync(directory, { recursive: true });

  // The generator, built with Go 1.26, takes these paths for those of the folder above.
  edit(join(target, "config", "vars.ts"), (text) => text.replace('"./utilities"', '"../utilities"'));
  edit(join(target, "types", "index.ts"), (text) => text.replace('"./utilities"', '"../utilities"'));
  for (const file of ["input.ts", "output.ts"])
    edit(join(target, "types", file), (text) => text.replaceAll('"./types/', '"../types/'));
  // It is used as TypeScript, without a build step of its own.
  edit(join(target, "package.json"), (text) =>
    `${JSON.stringify({ ...JSON.parse(text), main: "index.ts", types: "index.ts", scripts: undefined, devDependencies: undefined }, null, 4)}\n`,
  );
}

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, "utf8")));
}

main().catch((error: Error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});
