import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { storePath } from "../components/artifact/plan";
import { networkName } from "../components/config/schema";
import { parseYaml } from "../components/config/yaml";
import { shellQuote } from "../components/machine/script";
import { CommandError, run } from "../toolchain/commands";
import { type HostSsh, hostSshIn, sshTo } from "./host-ssh";

/** Where a deployment is: its host, and its network, whose name everything on the host has. */
export interface Place {
  /** Undefined where the host is this machine. */
  readonly ssh?: HostSsh;
  readonly network: string;
  /** Folder of the unpacked artifact. @default libvirt knows the deployment */
  readonly store?: string;
}

/** What of a stack's file says where it is; no rule has seen it yet. */
interface Section {
  readonly ssh?: Record<string, unknown>;
  readonly hypervisor?: string;
  readonly name?: string;
  readonly storePath?: string;
}

/**
 * The deployment of a stack whose file is there; undefined without one.
 * @throws Error if the file has no way to a host.
 */
export function placeOf(stackFile: string): Place | undefined {
  if (!existsSync(stackFile)) return undefined;
  const file = parseYaml(readFileSync(stackFile, "utf8"), basename(stackFile)) as {
    config?: Readonly<Record<string, Section | undefined>>;
  } | null;
  const config = file?.config ?? {};
  const { ssh, hypervisor } = config["wiab-staging:host"] ?? {};
  const artifact = config["wiab-staging:artifact"];
  const network = config["wiab-staging:network"]?.name ?? "wirebox";
  return {
    ...(ssh && { ssh: hostSshIn(ssh) }),
    network,
    ...(hypervisor === "none" && { store: storePath({ artifact, network: { name: network } }) }),
  };
}

/** Whose a deployment is: two with the same text share a state. */
export const ownerOf = (stack: string, states: string): string =>
  `stack ${stack} with its state in ${states.startsWith("/") ? `${hostname()}:` : ""}${states}`;

const script = readFileSync(join(__dirname, "host-record.sh"), "utf8");

/** The command that runs a verb of the script on a host. @param root folder of all records on it. */
function commandFor({ ssh, network }: Place, verb: string, args: readonly string[], root: string) {
  // No rule has seen the name yet, and `leave` deletes the folder that it names.
  const { error } = networkName.safeParse(network);
  if (error) throw new Error(`network.name ${error.issues[0]?.message}; nothing was changed`);
  const bash = ["bash", "-c", script, "wiab", verb, `${root}/${network}`, ...args];
  // A user who is not root may use sudo without a password (host.ssh.user).
  if (!ssh) return process.getuid?.() === 0 ? bash : ["sudo", "-n", ...bash];
  const remote = [...(ssh.user === "root" ? [] : ["sudo", "-n"]), ...bash].map(shellQuote).join(" ");
  return [...sshTo(ssh), remote];
}

/** Folder of the records of all deployments on a host. */
export const defaultRoot = "/var/lib/wiab-deployments";

/** Gives what a verb prints, and hands it an input. */
export function onHost(
  place: Place,
  verb: "put" | "get" | "leave" | "remains",
  input = "",
  root = defaultRoot,
  args: readonly string[] = [],
): Promise<string> {
  const [command = "", ...rest] = commandFor(place, verb, args, root);
  return run(command, rest, { input });
}

/**
 * Does something while nobody else works on a deployment. The host lets go by itself when this process or its connection
 * ends, however it does.
 * @param verb - `take` makes a deployment ours that was another state's.
 * @throws Error that names who is at work on it, or whose it is.
 */
export async function holding<T>(
  place: Place,
  owner: string,
  work: () => Promise<T>,
  verb: "hold" | "take" = "hold",
  root = defaultRoot,
): Promise<T> {
  const holder = `${userInfo().username}@${hostname()}, process ${process.pid}, since ${new Date().toISOString()}`;
  // Ctrl-C is for the engine, which ends in good order then: until it has, the host stays held.
  const unstoppable = [
    "-c",
    'trap "" INT; exec "$@"',
    "sh",
    ...commandFor(place, verb, [owner, holder], root),
  ];
  const child = spawn("sh", unstoppable, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdin.on("error", () => {});
  const answer: string = await new Promise((resolve) => {
    createInterface({ input: child.stdout })
      .once("line", resolve)
      .once("close", () => resolve(""));
  });
  try {
    const where = `${place.network} on ${place.ssh?.address ?? hostname()}`;
    if (answer.startsWith("held "))
      throw new Error(`${where} is being worked on by ${answer.slice(5)}: wait for it`);
    if (answer.startsWith("owned "))
      throw new Error(
        `${where} belongs to ${answer.slice(6)}, and nothing was changed. Work with that state; if it is lost, \`npm run adopt\` takes the deployment up from the host's copy (docs/operations.md)`,
      );
    if (answer !== "ours") throw new CommandError(`the host of ${where} did not say who works on it`);
    return await work();
  } finally {
    child.stdin.end();
    await ended;
  }
}
