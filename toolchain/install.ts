import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { buildTools, builtKey } from "./build";
import { cacheDirectory, cached, contentKey } from "./cache";
import { installOfficial } from "./official";
import { official, pulumiVersion } from "./pins";

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

/**
 * Gives the toolchain, installing it if the cache has none: Pulumi's own build where its download site
 * answers, else built from Go modules, which takes about a quarter of an hour on two cores, once.
 * Progress goes to the standard error output.
 * @throws Error that says what was tried and what can be done.
 */
export async function installToolchain(): Promise<Toolchain> {
  const officialKey = contentKey(["official", official.sha256]);
  const homes = join(cacheDirectory(), "pulumi");
  for (const [key, isOfficial] of [
    [officialKey, true],
    [builtKey(), false],
  ] as const)
    if (existsSync(join(homes, key))) return describe(join(homes, key), isOfficial);
  try {
    console.error(`fetching Pulumi ${pulumiVersion} ...`);
    return describe(await cached("pulumi", officialKey, installOfficial), true);
  } catch (refusal) {
    console.error(`    ${(refusal as Error).message}`);
    console.error(`building Pulumi ${pulumiVersion} and its plugins from Go modules instead, once:`);
    try {
      return describe(await cached("pulumi", builtKey(), buildTools), false);
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

function describe(home: string, official: boolean): Toolchain {
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
