import { rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { buildTools, builtKey, missingTools } from "./build";
import { cacheDirectory, cached, contentKey, inCache } from "./cache";
import { installOfficial } from "./official";
import { official, pulumiVersion } from "./pins";
import type { Done, Part } from "./progress";

/** The pinned CLI with its plugins, ready to be run. */
export interface Toolchain {
  /** PULUMI_HOME. */
  readonly home: string;
  /** Folder of the CLI and its language host, and of nothing else. */
  readonly binDirectory: string;
  /** Whether it is Pulumi's own build; otherwise all of it was built here. */
  readonly official: boolean;
  /** Variables that a process needs to use it. */
  readonly env: Readonly<Record<string, string>>;
}

const officialKey = (): string => contentKey(["official", official.sha256]);

/** Where the toolchain is, if it is there already. */
export const toolchainFolder = (): string | undefined =>
  inCache("pulumi", officialKey()) ?? inCache("pulumi", builtKey());

/** What {@link installToolchain} has to build where nothing can be fetched. */
export const toolchainParts = (): readonly Part[] => (toolchainFolder() ? [] : missingTools());

/**
 * Gives the toolchain, installing it if the cache has none: Pulumi's own build where its download site
 * answers, else built from Go modules, which takes about a quarter of an hour on two cores, once.
 * Progress goes to the standard error output.
 * @throws Error that says what was tried and what can be done.
 */
export async function installToolchain(done?: Done): Promise<Toolchain> {
  const home = toolchainFolder();
  if (home) return describe(home, home === inCache("pulumi", officialKey()));
  try {
    console.error(`fetching Pulumi ${pulumiVersion} ...`);
    return describe(await cached("pulumi", officialKey(), installOfficial), true);
  } catch (refusal) {
    console.error(`    ${(refusal as Error).message}`);
    console.error(`building Pulumi ${pulumiVersion} and its plugins from Go modules instead, once:`);
    try {
      return describe(await cached("pulumi", builtKey(), (folder) => buildTools(folder, done)), false);
    } catch (failure) {
      throw new Error(
        `Pulumi ${pulumiVersion} can neither be fetched nor built here.\n` +
          `  fetching:\n    ${(refusal as Error).message}\n  building:\n    ${(failure as Error).message}\n` +
          "Give this machine access to get.pulumi.com or github.com, or to a Go module proxy (GOPROXY), or copy " +
          `${cacheDirectory()} from a machine that has it.`,
      );
    }
  }
}

/**
 * Has the CLI write no log of its own: 15 MB for each run of a full stack, with every property of every resource, and no
 * setting against it. Where it cannot make the folder, it does without (docs/adr/0033).
 */
function keepFromLogging(home: string): void {
  const logs = join(home, "logs");
  if (statSync(logs, { throwIfNoEntry: false })?.isFile()) return;
  rmSync(logs, { recursive: true, force: true });
  writeFileSync(logs, "Instead of a folder, so that the CLI keeps no log of each run.\n");
}

function describe(home: string, official: boolean): Toolchain {
  keepFromLogging(home);
  const binDirectory = join(home, "bin");
  return {
    home,
    binDirectory,
    official,
    env: {
      PATH: `${binDirectory}${delimiter}${process.env.PATH}`,
      PULUMI_HOME: home,
      PULUMI_SKIP_UPDATE_CHECK: "1",
      // What was built here is complete; the engine must not look for it elsewhere.
      ...(official ? {} : { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" }),
    },
  };
}
