import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { projectDirectory } from "../toolchain/environment";
import { pulumiOutput } from "../toolchain/pulumi";
import { stateFile } from "../toolchain/states";
import { type CommandLine, commandOf, isRemoval, stackIn } from "./command-line";
import { defaultRoot, holding, onHost, ownerOf, type Place, placeOf } from "./host-record";
import { passphraseOf } from "./stack-state";
import { seal } from "./state-copy";

type Environment = Readonly<Record<string, string>>;

/** How a command is held and recorded, where that does not follow from its stack. */
export interface Recording {
  /** Where the stack's configuration file is. @default the project's folder */
  readonly directory?: string;
  /** That file's name. @default `Pulumi.<stack>.yaml` */
  readonly configFile?: string;
  /** Whether the command is a way back for a state that is lost. @default false */
  readonly restores?: boolean;
  /** `take` makes the deployment this state's. @default hold */
  readonly verb?: "hold" | "take";
  /** Folder of all records on the host. @default {@link defaultRoot} */
  readonly root?: string;
}

/**
 * Runs what changes a stack's deployment or its state while the host keeps others out, and leaves an encrypted copy of the
 * state there afterwards, however it ended. A backend that the operator has chosen keeps its states itself.
 * @param work - gives an exit code.
 * @throws Error that names who else is at work on the deployment, or whose it is.
 */
export async function asOwner(
  env: Environment,
  stack: string,
  work: () => Promise<number>,
  {
    directory = projectDirectory,
    configFile = `Pulumi.${stack}.yaml`,
    restores = false,
    verb,
    root,
  }: Recording = {},
): Promise<number> {
  const configuration = resolve(directory, configFile);
  const place = placeOf(configuration);
  if (!place) return work();
  const url = env.PULUMI_BACKEND_URL ?? process.env.PULUMI_BACKEND_URL;
  const backend = url ?? (JSON.parse(await pulumiOutput(env, ["whoami", "--json"])) as { url: string }).url;
  const local = backend.startsWith("file://") ? fileURLToPath(backend) : undefined;
  const copied = local && {
    ...{ place, stack, configuration, restores, root },
    file: stateFile(local, stack),
    passphrase: passphraseOf(env),
  };
  const recorded = () => (copied ? keepingCopy(copied, work) : work());
  return holding(place, ownerOf(stack, local ?? backend), recorded, verb, root);
}

/**
 * Runs a command that changes a state or what is deployed, as the owner of every deployment that it concerns.
 * @param work - gives an exit code.
 */
export async function changing(
  env: Environment,
  stack: string,
  line: CommandLine,
  work: () => Promise<number>,
  recording: Recording = {},
): Promise<number> {
  const command = commandOf(line);
  if (/^state (move|mv)$/.test(command)) {
    const [source = stack, dest = stack] = ["source", "dest"].map((flag) => stackIn(line.values[flag]));
    return asOwner(env, source, () => asOwner(env, dest, work, recording), recording);
  }
  const code = await asOwner(env, stack, work, {
    ...recording,
    configFile: line.values["config-file"],
    restores: command === "stack import" || isRemoval(line),
  });
  const name = command === "stack rename" ? stackIn(line.words[2]) : undefined;
  // The state has another name, by which the host is to know its owner.
  return code === 0 && name ? asOwner(env, name, async () => 0, { ...recording, verb: "take" }) : code;
}

/** A state in a file, and where its copy goes. */
export interface Copied {
  readonly place: Place;
  readonly stack: string;
  /** The stack's configuration file. */
  readonly configuration: string;
  /** The state. */
  readonly file: string;
  readonly passphrase: string | undefined;
  /** Whether what is done is a way back for a state that is lost. @default false */
  readonly restores?: boolean;
  /** Folder of all records on the host; tests have one of their own. */
  readonly root?: string;
  /** Where libvirt keeps what it has; tests have a folder of their own. */
  readonly libvirt?: string;
}

/**
 * Does something, and leaves a copy of the state on the host afterwards.
 * @throws Error, before anything is done, if the state knows nothing of a deployment that the host has and has a copy of:
 * it was lost, and the copy is the only one.
 */
export async function keepingCopy(copied: Copied, work: () => Promise<number>): Promise<number> {
  const { place, stack, file, root = defaultRoot, restores } = copied;
  if (!restores && resourcesOf(stateIn(file)) === 0 && (await isOrphan(copied)))
    throw new Error(
      `the state ${file} is empty, and the host has ${place.network} and a copy of its state: nothing was changed. Was the state lost? Move the file away, then npm run adopt -- --stack ${stack} (docs/operations.md). If it is to go, take it up first and destroy it then; the copy is ${root}/${place.network}/copy`,
    );
  try {
    return await work();
  } finally {
    await keepCopy(copied);
  }
}

/** Whether the host has a copy of a state, and still something of that deployment. */
async function isOrphan({ place, root, libvirt = "/etc/libvirt" }: Copied): Promise<boolean> {
  if ((await onHost(place, "get", "", root)) === "") return false;
  return (await onHost(place, "remains", "", root, [place.network, libvirt, place.store ?? ""])) !== "";
}

const stateIn = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "{}");

const resourcesOf = (state: string): number => JSON.parse(state).checkpoint?.latest?.resources?.length ?? 0;

/** Puts a copy of the state on the host; takes the former one away once nothing is deployed any more. */
async function keepCopy(copied: Copied): Promise<void> {
  const { place, stack, configuration, file, passphrase, root } = copied;
  const keep = async () => {
    const state = stateIn(file);
    // An empty state is none to keep: while something is deployed, the former copy is the way back to it.
    if (resourcesOf(state) === 0) return (await isOrphan(copied)) || onHost(place, "leave", "", root);
    if (passphrase === undefined) throw new Error("no passphrase is set that it could be encrypted with");
    const copy = { stack, state, configuration: readFileSync(configuration, "utf8") };
    return onHost(place, "put", seal(copy, passphrase), root);
  };
  await keep().catch((error: Error) =>
    console.error(`warning: the host has no copy of the state as it is now: ${error.message}`),
  );
}
