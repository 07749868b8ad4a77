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
import { parse, stringify } from "yaml";
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
  /** What is not to stay as it is. */
  readonly changes: readonly Change[];
}

/** What is to happen to a resource, from the state's point of view. */
export interface Change {
  readonly name: string;
  /** `update`, `replace`, `delete`, … */
  readonly operation: string;
  /** Paths of the properties that differ. */
  readonly paths: readonly string[];
  readonly before: Values;
  readonly after: Values;
}

/** Seconds that no command of the CLI may exceed; an unhurried preview takes about ten, to record a stack a minute. */
const timeout = 900;

/** Plugins that would ask a host or a cluster what is there. */
const standIns = ["kubernetes", "terraform-provider"];

/**
 * The project's program with a configuration and a backend of its own, so that the checkout stays as it
 * is. Whatever the CLI writes lies below `directory`.
 */
export class ScratchProject {
  readonly directory = mkdtempSync(join(tmpdir(), "wiab-graph-"));
  private env: NodeJS.ProcessEnv = {};

  /**
   * @param values - the stack's configuration, without the project's name before the keys.
   * @param within - a command line that runs the CLI somewhere else; nothing runs it here.
   */
  constructor(
    readonly stack: string,
    values: Values,
    private readonly within: readonly string[] = [],
  ) {
    for (const name of ["main.ts", "index.ts", "components", "sdks", "node_modules", "package.json"])
      symlinkSync(join(projectDirectory, name), join(this.directory, name));
    copyFileSync(join(projectDirectory, "Pulumi.yaml"), join(this.directory, "Pulumi.yaml"));
    writeFileSync(join(this.directory, `Pulumi.${stack}.yaml`), "{}");
    this.configure(values);
    mkdirSync(join(this.directory, "backend"));
    writeFileSync(join(this.directory, "passphrase"), "the passphrase of a test");
  }

  /**
   * Brings the stack up without any host: every plugin but that of random values is a stand-in meanwhile. Later previews
   * have the real one for commands and know what was made; for libvirt and Kubernetes, which would ask what is there,
   * they keep the stand-ins.
   */
  async record(): Promise<void> {
    const { env } = this;
    // Hooks of the program's ask the cluster while it is brought up, not in previews.
    const NODE_OPTIONS = `--require=${join(projectDirectory, "tests/graph/no-cluster.cjs")}`;
    this.env = { ...env, PULUMI_HOME: this.homeWith(...standIns, "command"), NODE_OPTIONS };
    await this.succeed("up", "--yes", "--skip-preview", "--stack", this.stack);
    this.env = { ...env, PULUMI_HOME: this.homeWith(...standIns) };
  }

  /** Takes over a state that a stack had, with its secrets in plain text; previews are as after {@link record}. */
  async restore(state: unknown): Promise<void> {
    await this.importState(state);
    this.env = { ...this.env, PULUMI_HOME: this.homeWith(...standIns) };
  }

  /** A PULUMI_HOME with stand-ins in the place of some plugins. */
  private homeWith(...names: readonly string[]): string {
    const real = this.env.PULUMI_HOME as string;
    const home = mkdtempSync(join(this.directory, "home-"));
    const loader = join(projectDirectory, "node_modules/tsx/dist/loader.mjs");
    const program = join(projectDirectory, "tests/graph/stand-in-provider.ts");
    mkdirSync(join(home, "plugins"));
    for (const entry of readdirSync(real).filter((each) => each !== "plugins"))
      symlinkSync(join(real, entry), join(home, entry));
    for (const plugin of readdirSync(join(real, "plugins"))) {
      const [, kind, version] = /^resource-(.*)-v([^-]+)$/.exec(plugin) ?? [];
      const file = `pulumi-resource-${kind}`;
      // The engine looks into no folder that is a link.
      mkdirSync(join(home, "plugins", plugin));
      const own = join(home, "plugins", plugin, file);
      if (kind && names.includes(kind))
        writeFileSync(
          own,
          `#!/bin/sh\nSTAND_IN_VERSION=${version} exec node --import ${loader} ${program} "$@"\n`,
          { mode: 0o755 },
        );
      else if (kind) symlinkSync(join(real, "plugins", plugin, file), own);
    }
    return home;
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

  /** Gives the stack another configuration. */
  configure(values: Values): void {
    const file = join(this.directory, `Pulumi.${this.stack}.yaml`);
    const config = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [`wiab-staging:${key}`, value]),
    );
    writeFileSync(file, stringify({ ...parse(readFileSync(file, "utf8")), config }));
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
      changes: steps.filter(({ op }: Step) => op !== "same").map(readChange),
    };
  }

  /** What `pulumi preview --diff` prints. */
  async previewText(): Promise<string> {
    const { stdout } = await this.pulumi("preview", "--diff", "--color=never", "--stack", this.stack);
    return stdout;
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

  /** Makes another stack of the project in the same backend, which has these outputs. */
  async makeStack(name: string, outputs: Values): Promise<void> {
    await this.succeed("stack", "init", name);
    const exported = JSON.parse(await this.succeed("stack", "export", "--stack", name));
    const type = "pulumi:pulumi:Stack";
    const urn = `urn:pulumi:${name}::wiab-staging::${type}::wiab-staging-${name}`;
    exported.deployment.resources = [{ urn, type, custom: false, outputs }];
    const file = join(this.directory, `state-${name}.json`);
    writeFileSync(file, JSON.stringify(exported));
    await this.succeed("stack", "import", "--file", file, "--stack", name);
  }

  /** The random values that the stack's secrets are made of. */
  async exportSecrets(): Promise<string[]> {
    const { deployment } = JSON.parse(
      await this.succeed("stack", "export", "--show-secrets", "--stack", this.stack),
    );
    return deployment.resources
      .filter(({ type }: Values) => type === "random:index/randomPassword:RandomPassword")
      .map(({ outputs }: Values) => JSON.parse(outputs.result.plaintext));
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
      const [command = "", ...rest] = [
        ...this.within,
        "pulumi",
        ...args,
        // Another mount namespace begins at its root.
        ...["--cwd", this.directory, "--non-interactive"],
      ];
      execFile(command, rest, options, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 255) : 0, stdout, stderr }),
      );
    });
  }
}

/** A step of `pulumi preview --json`, as far as it is read here. */
interface Step {
  readonly op: string;
  readonly urn: string;
  readonly oldState?: { readonly inputs?: Values };
  readonly detailedDiff?: Readonly<Record<string, unknown>> | null;
  /** Undefined for what is deleted. */
  readonly newState?: {
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

const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

const readChange = ({ op, urn, oldState, newState, detailedDiff }: Step): Change => ({
  name: nameOf(urn),
  operation: op,
  paths: Object.keys(detailedDiff ?? {}),
  before: oldState?.inputs ?? {},
  after: newState?.inputs ?? {},
});

/** What there is after all steps. */
function readResources(steps: readonly Step[]): Resource[] {
  const found = new Map<string, Resource & { waitsFor: Resource[] }>();
  const stays = steps.flatMap(({ urn, newState }) => (newState ? [{ urn, newState }] : []));
  for (const { urn, newState } of stays)
    found.set(urn, {
      urn,
      type: newState.type,
      name: nameOf(urn),
      custom: newState.custom,
      parent: undefined,
      provider: undefined,
      inputs: newState.inputs ?? {},
      protect: newState.protect ?? false,
      waitsFor: [],
    });
  const resourceAt = (urn: string | undefined) => (urn === undefined ? undefined : found.get(urn));
  for (const { urn, newState } of stays) {
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
