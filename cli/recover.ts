import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { run, runMain } from "../toolchain/commands";
import { projectDirectory, pulumiEnvironment } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import { endOrphans, isAlive } from "../toolchain/processes";
import { pulumiOutput } from "../toolchain/pulumi";
import { stackOf } from "./command-line";
import { asOwner } from "./deployment";
import {
  findHalfMade,
  nameOf,
  type PendingOperation,
  type RecordedResource,
  takeAway,
  type Virsh,
} from "./half-made";
import { placeOf } from "./host-record";
import { type HostSsh, virshOn } from "./host-ssh";

type Environment = Readonly<Record<string, string>>;

/** What recovery needs of an exported state. */
interface ExportedState {
  readonly deployment: {
    readonly resources?: readonly (RecordedResource & {
      outputs?: { name?: string; status?: { status?: string }; values?: unknown };
    })[];
    pending_operations?: readonly PendingOperation[];
  };
}

/**
 * Prepares a stack whose last run was killed for the next one: gives its lock back, ends plugins that
 * outlived their engine, takes off the host what operations that never ended were making, and forgets those.
 * On an orderly stack it does nothing.
 * @param confirm - Is asked before anything is deleted, with what would be, a line each.
 * @param ssh - How the host is reached. @default it is this machine
 * @returns what was done, a line each.
 * @throws Error if another process is at work on the stack, its state names another host, or `confirm` says no.
 */
export async function recover(
  env: Environment,
  home: string,
  stack: string,
  confirm: (objects: readonly string[]) => Promise<boolean>,
  ssh?: HostSsh,
): Promise<string[]> {
  const done = await giveLockBack(env, stack);
  done.push(...(await endOrphans(home)).map((name) => `ended ${name}, which had outlived its engine`));
  const state: ExportedState = JSON.parse(await pulumiOutput(env, ["stack", "export", "--stack", stack]));
  const { resources = [], pending_operations: pending = [] } = state.deployment;
  const uri = resources.find(({ type }) => type === "pulumi:providers:libvirt")?.inputs?.uri;
  if (typeof uri === "string" && pending.length > 0) {
    checkHost(uri, ssh);
    done.push(...(await removeHalfMade(virshOn(ssh), pending, resources, confirm)));
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

/** What a killed run has left is on the host that it worked on, whatever the configuration says by now. */
function checkHost(uri: string, ssh: HostSsh | undefined): void {
  const { hostname: recorded } = new URL(uri);
  const configured = ssh?.address ?? "";
  if (recorded === configured) return;
  const named = (host: string) => host || "this machine";
  throw new Error(
    `the run that was killed worked on ${named(recorded)}, and the configuration's host.ssh.address leads to ${named(configured)}: recover with the former one, then change it`,
  );
}

async function removeHalfMade(
  virsh: Virsh,
  pending: readonly PendingOperation[],
  resources: readonly RecordedResource[],
  confirm: (objects: readonly string[]) => Promise<boolean>,
): Promise<string[]> {
  const { halfMade, kept } = await findHalfMade(virsh, pending, resources);
  if (halfMade.length === 0) return [...kept];
  if (!(await confirm(halfMade.map(nameOf))))
    throw new Error(
      "nothing was deleted, and the operations that never ended are not forgotten; --yes deletes what is listed",
    );
  for (const object of halfMade) await takeAway(virsh, object);
  return [...kept, ...halfMade.map((object) => `took away the half-made ${nameOf(object)}`)];
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

/** Lets the operator decide about a list; without a terminal to ask on, nobody has. */
async function ask(objects: readonly string[]): Promise<boolean> {
  console.log(
    `a run that was killed has left on the host:\n${objects.map((line) => `  ${line}`).join("\n")}`,
  );
  if (process.argv.includes("--yes")) return true;
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question("Delete them? (yes/no) ");
  terminal.close();
  return answer.trim() === "yes";
}

async function main(): Promise<number> {
  const stack = stackOf(process.argv.slice(2));
  if (!stack) throw new Error("which stack? npm run recover -- --stack staging");
  const toolchain = await installToolchain();
  const env = pulumiEnvironment(toolchain, stack);
  const ssh = placeOf(join(projectDirectory, `Pulumi.${stack}.yaml`))?.ssh;
  return asOwner(env, stack, async () => {
    const done = await recover(env, toolchain.home, stack, ask, ssh);
    for (const line of done) console.log(line);
    if (done.length === 0) console.log(`stack ${stack} is in order`);
    return 0;
  });
}

if (require.main === module)
  runMain(
    main,
    `usage: npm run recover -- --stack staging [--yes]

After a run that was killed: makes the stack ready for the next one. Asks before it deletes anything; --yes is the answer.`,
  );
