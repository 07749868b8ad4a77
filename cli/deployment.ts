import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectDirectory } from "../toolchain/environment";
import { pulumiOutput } from "../toolchain/pulumi";
import { stateFile } from "../toolchain/states";
import { defaultRoot, holding, onHost, ownerOf, type Place, placeOf } from "./host-record";
import { passphraseOf } from "./stack-state";
import { seal } from "./state-copy";

type Environment = Readonly<Record<string, string>>;

/** Commands of the CLI that change what is deployed, or what the state says of it. */
const changing = ["up", "update", "destroy", "down", "dn", "refresh", "import", "watch"];

/** Whether a command line changes a deployment. */
export const changes = ([command = "", ...rest]: readonly string[]): boolean =>
  changing.includes(command) && !rest.some((arg) => /^(--help|-h|--preview-only)$/.test(arg));

/**
 * Runs what changes a stack's deployment while the host keeps others out, and leaves an encrypted copy of the state there
 * afterwards, however it ended. A backend that the operator has chosen keeps its states itself.
 * @param work - gives an exit code.
 * @throws Error that names who else is at work on the deployment, or whose it is.
 */
export async function asOwner(env: Environment, stack: string, work: () => Promise<number>): Promise<number> {
  const configuration = join(projectDirectory, `Pulumi.${stack}.yaml`);
  const place = placeOf(configuration);
  if (!place) return work();
  const url = env.PULUMI_BACKEND_URL ?? process.env.PULUMI_BACKEND_URL;
  const backend = url ?? (JSON.parse(await pulumiOutput(env, ["whoami", "--json"])) as { url: string }).url;
  const local = backend.startsWith("file://") ? fileURLToPath(backend) : undefined;
  const copied = local && {
    place,
    stack,
    configuration,
    file: stateFile(local, stack),
    passphrase: passphraseOf(env),
  };
  return holding(place, ownerOf(stack, local ?? backend), () =>
    copied ? keepingCopy(copied, work) : work(),
  );
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
  /** Folder of all records on the host; tests have one of their own. */
  readonly root?: string;
}

/**
 * Does something, and leaves a copy of the state on the host afterwards.
 * @throws Error, before anything is done, if the state knows nothing of a deployment that the host has a copy of: it was
 * lost, and the copy is the only one.
 */
export async function keepingCopy(copied: Copied, work: () => Promise<number>): Promise<number> {
  const { place, stack, file, root } = copied;
  if (resourcesOf(stateIn(file)) === 0 && (await onHost(place, "get", "", root)) !== "")
    throw new Error(
      `the state ${file} is empty, and the host has a copy of one of ${place.network}: nothing was changed. Was it lost? Move the file away, then npm run adopt -- --stack ${stack} (docs/operations.md). If nothing of that deployment is left, delete the copy on the host: ${root ?? defaultRoot}/${place.network}/copy`,
    );
  const code = await work();
  await keepCopy(copied);
  return code;
}

const stateIn = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "{}");

const resourcesOf = (state: string): number => JSON.parse(state).checkpoint?.latest?.resources?.length ?? 0;

/** Puts a copy of the state on the host; takes the former one away once nothing is deployed any more. */
async function keepCopy({ place, stack, configuration, file, passphrase, root }: Copied): Promise<void> {
  const state = stateIn(file);
  const keep = async () => {
    if (resourcesOf(state) === 0) return onHost(place, "leave", "", root);
    if (passphrase === undefined) throw new Error("no passphrase is set that it could be encrypted with");
    const copy = { stack, state, configuration: readFileSync(configuration, "utf8") };
    return onHost(place, "put", seal(copy, passphrase), root);
  };
  await keep().catch((error: Error) =>
    console.error(`warning: the host has no copy of the state as it is now: ${error.message}`),
  );
}
