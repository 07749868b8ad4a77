import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plan, planDeployment } from "../components/config/plan";
import type { Configuration } from "../components/config/schema";
import type { Surroundings } from "../components/validation/rules";
import { validate } from "../components/validation/validate";
import { run, runMain } from "./commands";
import { pulumiEnvironment } from "./environment";
import { installToolchain } from "./install";
import { endOrphans, isAlive } from "./processes";
import { pulumiOutput, stackOf } from "./pulumi";

type Environment = Readonly<Record<string, string>>;

/** What recovery needs of an exported state. */
interface ExportedState {
  readonly deployment: {
    readonly resources?: readonly {
      type: string;
      urn: string;
      inputs?: { name?: unknown };
      outputs?: { name?: string; status?: { status?: string }; values?: unknown };
    }[];
    pending_operations?: readonly { type: string }[];
  };
}

/**
 * Prepares a stack whose last run was killed for the next one: gives its lock back, ends plugins that
 * outlived their engine, takes half-made objects off the host and forgets operations that never ended.
 * An object counts as half-made if the host has it under a name of this stack, the state does not, and
 * the stack's preflight had found that name free. On an orderly stack it does nothing.
 * @returns what was done, a line each.
 * @throws Error if another process is at work on the stack.
 */
export async function recover(env: Environment, home: string, stack: string): Promise<string[]> {
  const done = await giveLockBack(env, stack);
  done.push(...(await endOrphans(home)).map((name) => `ended ${name}, which had outlived its engine`));
  const state: ExportedState = JSON.parse(await pulumiOutput(env, ["stack", "export", "--stack", stack]));
  const { resources = [], pending_operations: pending = [] } = state.deployment;
  if (resources.some(({ urn }) => urn.endsWith("::host-preflight-host"))) {
    const recorded = new Set(resources.map(({ type, inputs }) => `${type} ${inputs?.name}`));
    done.push(...(await removeHalfMade(await readConfiguration(env, stack), recorded)));
  }
  if (pending.length > 0) {
    delete state.deployment.pending_operations;
    await run("pulumi", ["stack", "import", "--stack", stack], { env, input: JSON.stringify(state) });
    done.push(`forgot ${pending.length} operations that never ended`);
    // An update or a deletion may have taken effect all the same: the state learns what is really there.
    if (pending.some(({ type }) => type !== "creating")) {
      await pulumiOutput(env, ["refresh", "--yes", "--skip-preview", "--stack", stack]);
      done.push(...(await releaseAnew(env, stack)));
    }
  }
  return done;
}

/**
 * Has the next run update the releases that Helm was at work on. Its own comparison would pass over one if the killed
 * run had added values that the next one does not have: the provider asks only for those that it wants.
 */
async function releaseAnew(env: Environment, stack: string): Promise<string[]> {
  const state: ExportedState = JSON.parse(await pulumiOutput(env, ["stack", "export", "--stack", stack]));
  const interrupted = (state.deployment.resources ?? []).flatMap(({ type, outputs }) =>
    type === "kubernetes:helm.sh/v3:Release" && outputs?.status?.status?.startsWith("pending-")
      ? [outputs]
      : [],
  );
  if (interrupted.length === 0) return [];
  for (const outputs of interrupted) outputs.values = {};
  await run("pulumi", ["stack", "import", "--stack", stack], { env, input: JSON.stringify(state) });
  return interrupted.map(({ name }) => `Helm was at work on ${name}: the next run updates it`);
}

/** The local backend's locks name the process that holds them; one that is gone cannot give its lock back. */
async function giveLockBack(env: Environment, stack: string): Promise<string[]> {
  const backend = env.PULUMI_BACKEND_URL;
  if (!backend?.startsWith("file:")) return [];
  const locks = join(fileURLToPath(backend), ".pulumi", "locks");
  const files = readdirSync(locks, { recursive: true, encoding: "utf8" }).filter((file) =>
    new RegExp(`(^|/)${stack}/[^/]+\\.json$`).test(file),
  );
  for (const file of files) {
    const lock: { pid: number; hostname: string } = JSON.parse(readFileSync(join(locks, file), "utf8"));
    if (lock.hostname !== hostname() || isAlive(lock.pid))
      throw new Error(
        `process ${lock.pid} on ${lock.hostname} is working on stack ${stack}: wait for it, or end it and try again`,
      );
  }
  if (files.length === 0) return [];
  await pulumiOutput(env, ["cancel", "--yes", "--stack", stack]);
  return [`gave back the lock of a run that is gone`];
}

async function readConfiguration(env: Environment, stack: string): Promise<Configuration> {
  const shown: Record<string, { value?: string; objectValue?: unknown; secret?: boolean }> = JSON.parse(
    await pulumiOutput(env, ["config", "--json", "--stack", stack]),
  );
  // Secrets stay where they are, and files may be gone: nothing here depends on either.
  const values = Object.entries(shown)
    .filter(([key, { secret }]) => !secret && !/:(artifact|features|tls|wire)$/.test(key))
    .map(([key, { value, objectValue }]) => [key.slice(key.indexOf(":") + 1), objectValue ?? value]);
  const useless = (path: string): never => {
    throw new Error(`${path} is of no use here`);
  };
  const surroundings: Surroundings = {
    keyFileProblem: () => undefined,
    isSecret: () => true,
    readManifest: useless,
    readText: useless,
  };
  return validate(Object.fromEntries(values), surroundings).config;
}

async function removeHalfMade(config: Configuration, recorded: ReadonlySet<string>): Promise<string[]> {
  const virsh = (...args: string[]) => hostVirsh(config, args);
  const exists = (...args: string[]) =>
    virsh(...args).then(
      () => true,
      () => false,
    );
  const { name: network } = config.network;
  const plan: Plan = planDeployment(config);
  const done: string[] = [];

  for (const { domainName } of plan.machines) {
    if (recorded.has(`libvirt:index/domain:Domain ${domainName}`) || !(await exists("dominfo", domainName)))
      continue;
    await exists("destroy", domainName);
    await virsh("undefine", domainName, "--nvram", "--managed-save");
    done.push(`took away the half-made domain ${domainName}`);
  }
  for (const { name } of plan.machines) {
    const volume = `${name}.qcow2`;
    if (
      recorded.has(`libvirt:index/volume:Volume ${volume}`) ||
      !(await exists("vol-info", volume, "--pool", network))
    )
      continue;
    await virsh("vol-delete", volume, "--pool", network);
    done.push(`took away the half-made volume ${volume}`);
  }
  for (const [type, kind] of [
    ["libvirt:index/network:Network", "net"],
    ["libvirt:index/pool:Pool", "pool"],
  ] as const) {
    if (recorded.has(`${type} ${network}`) || !(await exists(`${kind}-info`, network))) continue;
    await exists(`${kind}-destroy`, network);
    await virsh(`${kind}-undefine`, network);
    done.push(`took away the half-made ${kind === "net" ? "network" : "pool"} ${network}`);
  }
  return done;
}

/** Asks libvirt on the host: directly, or through SSH, since a workstation need not have libvirt's client. */
function hostVirsh({ host: { ssh } }: Configuration, args: readonly string[]): Promise<string> {
  const command = ["virsh", "--connect", "qemu:///system", ...args];
  if (!ssh) return run("virsh", command.slice(1));
  const key = ssh.privateKeyFile ? ["-i", ssh.privateKeyFile] : [];
  return run("ssh", [...key, "-p", `${ssh.port}`, `${ssh.user}@${ssh.address}`, ...command]);
}

async function main(): Promise<number> {
  const stack = stackOf(process.argv.slice(2));
  if (!stack) throw new Error("which stack? npm run recover -- --stack staging");
  const toolchain = await installToolchain();
  const done = await recover(pulumiEnvironment(toolchain, stack), toolchain.home, stack);
  for (const line of done) console.log(line);
  if (done.length === 0) console.log(`stack ${stack} is in order`);
  return 0;
}

if (require.main === module) runMain(main);
