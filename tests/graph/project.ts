import { execFile } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { projectDirectory } from "../../toolchain/environment";
import { installToolchain } from "../../toolchain/install";
import type { Values } from "../stacks";

/** A resource that a preview would make. */
export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** Whether a provider makes it; otherwise it is a component or the stack. */
  readonly custom: boolean;
  readonly parent: Resource | undefined;
  /** The resource of the provider that makes it; undefined for a default provider. */
  readonly provider: Resource | undefined;
  readonly inputs: Values;
  /** Whether the engine refuses to delete it. */
  readonly protect: boolean;
  /** What it waits for itself: dependencies of all kinds, and its provider. */
  readonly waitsFor: readonly Resource[];
}

/** How a preview ended. */
export interface Preview {
  readonly code: number;
  /** Everything that it printed. */
  readonly text: string;
  readonly diagnostics: string;
  readonly resources: readonly Resource[];
}

/** Seconds that no command of the CLI may exceed; an unhurried preview takes about ten. */
const timeout = 120;

/**
 * The project's program with a configuration and a backend of its own, so that the checkout stays as it
 * is. Whatever the CLI writes lies below `directory`.
 */
export class ScratchProject {
  readonly directory = mkdtempSync(join(tmpdir(), "wiab-graph-"));
  private env: NodeJS.ProcessEnv = {};

  /** @param values - the stack's configuration, without the project's name before the keys. */
  constructor(
    readonly stack: string,
    values: Values,
  ) {
    for (const name of ["main.ts", "index.ts", "components", "sdks", "node_modules", "package.json"])
      symlinkSync(join(projectDirectory, name), join(this.directory, name));
    copyFileSync(join(projectDirectory, "Pulumi.yaml"), join(this.directory, "Pulumi.yaml"));
    const config = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [`wiab-staging:${key}`, value]),
    );
    writeFileSync(join(this.directory, `Pulumi.${stack}.yaml`), stringify({ config }));
    mkdirSync(join(this.directory, "backend"));
    writeFileSync(join(this.directory, "passphrase"), "the passphrase of a test");
  }

  /** Makes the stack in the project's own backend. */
  async init(): Promise<void> {
    const { PULUMI_CONFIG_PASSPHRASE: _, PULUMI_ACCESS_TOKEN: __, ...inherited } = process.env;
    this.env = {
      ...inherited,
      ...(await installToolchain()).env,
      PULUMI_BACKEND_URL: `file://${join(this.directory, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(this.directory, "passphrase"),
    };
    await this.succeed("stack", "init", this.stack);
  }

  /** Stores a value encrypted in the stack's configuration, as docs/configuration.md has the operator do. */
  async setSecret(key: string, value: string): Promise<void> {
    await this.succeed(
      "config",
      "set",
      "--secret",
      "--path",
      key,
      "--stack",
      this.stack,
      "--non-interactive",
      value,
    );
  }

  /** Has another program in the place of the project's own. */
  replaceProgram(text: string): void {
    const file = join(this.directory, "main.ts");
    rmSync(file);
    writeFileSync(file, text);
  }

  async preview(): Promise<Preview> {
    const { code, stdout, stderr } = await this.pulumi(
      ...["preview", "--json", "--show-secrets=false", "--stack", this.stack],
    );
    const { steps = [], diagnostics = [] } = JSON.parse(stdout);
    return {
      code,
      text: stdout + stderr,
      diagnostics: diagnostics.map(({ message }: { message: string }) => message).join("\n"),
      resources: readResources(steps),
    };
  }

  /** What the stack's state holds, decrypted by nobody. */
  async exportState(): Promise<string> {
    return this.succeed("stack", "export", "--stack", this.stack);
  }

  /** Puts a state in the place of the stack's, as {@link exportState} gives it. */
  async importState(state: unknown): Promise<void> {
    const file = join(this.directory, "state.json");
    writeFileSync(file, JSON.stringify(state));
    await this.succeed("stack", "import", "--file", file, "--stack", this.stack);
  }

  /** The text of everything that the CLI has written. */
  written(): string {
    return readdirSync(this.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
      .join("\n");
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  private async succeed(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.pulumi(...args);
    if (code !== 0) throw new Error(`pulumi ${args[0]} ${args[1]} ended with ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs the CLI; never rejects for its exit code. */
  pulumi(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const options = {
        cwd: this.directory,
        env: this.env,
        timeout: timeout * 1000,
        maxBuffer: 64 * 2 ** 20,
      };
      execFile("pulumi", [...args, "--non-interactive"], options, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 255) : 0, stdout, stderr }),
      );
    });
  }
}

/** A step of `pulumi preview --json`, as far as it is read here. */
interface Step {
  readonly urn: string;
  readonly newState: {
    readonly type: string;
    readonly custom: boolean;
    readonly parent?: string;
    readonly provider?: string;
    readonly inputs?: Values;
    readonly protect?: boolean;
    readonly dependencies?: readonly string[];
    readonly propertyDependencies?: Readonly<Record<string, readonly string[] | null>>;
  };
}

function readResources(steps: readonly Step[]): Resource[] {
  const found = new Map<string, Resource & { waitsFor: Resource[] }>();
  for (const { urn, newState } of steps)
    found.set(urn, {
      urn,
      type: newState.type,
      name: urn.slice(urn.lastIndexOf("::") + 2),
      custom: newState.custom,
      parent: undefined,
      provider: undefined,
      inputs: newState.inputs ?? {},
      protect: newState.protect ?? false,
      waitsFor: [],
    });
  const resourceAt = (urn: string | undefined) => (urn === undefined ? undefined : found.get(urn));
  for (const { urn, newState } of steps) {
    // A reference to a provider is its URN and its ID.
    const provider = newState.provider?.replace(/::[^:]*$/, "");
    const awaited = [
      ...(newState.dependencies ?? []),
      ...Object.values(newState.propertyDependencies ?? {}).flatMap((urns) => urns ?? []),
      ...(provider ? [provider] : []),
    ];
    Object.assign(found.get(urn) ?? {}, {
      parent: resourceAt(newState.parent),
      provider: resourceAt(provider),
      waitsFor: awaited.flatMap((other) => found.get(other) ?? []),
    });
  }
  return [...found.values()];
}

/** All that a resource waits for, directly or not. */
export function allAwaited(resource: Resource): Set<Resource> {
  const seen = new Set<Resource>();
  const visit = ({ waitsFor }: Resource) => {
    for (const other of waitsFor)
      if (!seen.has(other)) {
        seen.add(other);
        visit(other);
      }
  };
  visit(resource);
  return seen;
}
