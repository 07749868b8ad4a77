import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { run } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";

/** A Pulumi project in a folder of its own with a stack in a backend of its own. */
export interface ScratchProject {
  readonly directory: string;
  /** Variables for the CLI. */
  readonly env: Readonly<Record<string, string>>;
  /** Its stack, called `scratch`. */
  readonly stack: string;
  /** Takes the folder with the backend away. */
  readonly remove: () => void;
}

/**
 * Makes a project that runs as this one does (runtime, loader, packages) and has the given program.
 * @param toolchainEnv variables of the pinned CLI.
 * @param program text of its index.ts; empty for the least that Pulumi can be asked to do.
 * @param name the project's name.
 */
export async function createScratchProject(
  toolchainEnv: Readonly<Record<string, string>>,
  program: string,
  name = "scratch",
): Promise<ScratchProject> {
  const root = mkdtempSync(join(tmpdir(), "wiab-scratch-"));
  const directory = join(root, "project");
  const backend = join(root, "backend");
  mkdirSync(directory);
  mkdirSync(backend);
  const { runtime, main } = parse(readFileSync(join(projectDirectory, "Pulumi.yaml"), "utf8"));
  writeFileSync(join(directory, "Pulumi.yaml"), stringify({ name, runtime, main }));
  writeFileSync(join(directory, "package.json"), '{ "name": "scratch", "private": true }\n');
  writeFileSync(join(directory, main), program);
  symlinkSync(join(projectDirectory, "node_modules"), join(directory, "node_modules"));
  // The stack has no secrets and lives for minutes: its passphrase guards nothing.
  writeFileSync(join(root, "passphrase"), "scratch\n");
  const env = {
    ...toolchainEnv,
    PULUMI_BACKEND_URL: `file://${backend}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: join(root, "passphrase"),
  };
  await run("pulumi", ["stack", "init", "scratch", "--non-interactive"], { env, cwd: directory });
  return { directory, env, stack: "scratch", remove: () => rmSync(root, { recursive: true }) };
}
