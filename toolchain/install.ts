import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { buildTools, builtKey } from "./build";
import { cacheDirectory, cached, contentKey } from "./cache";
import { installOfficial } from "./official";
import { pulumiVersion } from "./pins";

/** The pinned CLI with its plugins, ready to be run. */
export interface Toolchain {
  /** PULUMI_HOME. */
  readonly home: string;
  /** Whether it is Pulumi's own build; otherwise all of it was built here. */
  readonly official: boolean;
  /** Variables that a process needs to use it. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Gives the toolchain, installing it if the cache has none: Pulumi's own build where its download site
 * answers, else built from Go modules, which takes about a quarter of an hour on two cores, once.
 * @throws Error that says what was tried and what can be done.
 */
export async function installToolchain(): Promise<Toolchain> {
  const officialKey = contentKey(["official", pulumiVersion]);
  const official = join(cacheDirectory(), "pulumi", officialKey);
  const built = join(cacheDirectory(), "pulumi", builtKey());
  if (existsSync(built)) return describe(built, false);
  if (existsSync(official)) return describe(official, true);
  try {
    console.log(`fetching Pulumi ${pulumiVersion} ...`);
    return describe(await cached("pulumi", officialKey, installOfficial), true);
  } catch (refusal) {
    console.log(`  ${(refusal as Error).message}`);
    console.log(`building Pulumi ${pulumiVersion} and its plugins from Go modules instead, once:`);
    try {
      return describe(await cached("pulumi", builtKey(), buildTools), false);
    } catch (failure) {
      throw new Error(
        `Pulumi ${pulumiVersion} can neither be fetched nor built here.\n` +
          `  fetching: ${(refusal as Error).message}\n  building: ${(failure as Error).message}\n` +
          "Give this machine access to github.com or to a Go module proxy (GOPROXY), or copy " +
          `${cacheDirectory()} from a machine that has it.`,
      );
    }
  }
}

function describe(home: string, official: boolean): Toolchain {
  return {
    home,
    official,
    env: {
      PATH: `${join(home, "bin")}${delimiter}${process.env.PATH}`,
      PULUMI_HOME: home,
      PULUMI_SKIP_UPDATE_CHECK: "1",
      // What was built here is complete; the engine must not look for it elsewhere.
      ...(official ? {} : { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" }),
    },
  };
}
