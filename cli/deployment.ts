import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectDirectory } from "../toolchain/environment";
import { pulumiOutput } from "../toolchain/pulumi";
import { stateFile } from "../toolchain/states";
import { holding, onHost, ownerOf, type Place, placeOf } from "./host-record";
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
  return holding(place, ownerOf(stack, local ?? backend), async () => {
    const code = await work();
    if (local) await keepCopy(place, stateFile(local, stack), stack, configuration, passphraseOf(env));
    return code;
  });
}

/** Puts a copy of the state on the host; takes the former one away once nothing is deployed any more. */
async function keepCopy(
  place: Place,
  file: string,
  stack: string,
  configuration: string,
  passphrase: string | undefined,
): Promise<void> {
  const state = existsSync(file) ? readFileSync(file, "utf8") : "{}";
  const { resources = [] } = JSON.parse(state).checkpoint?.latest ?? {};
  const keep = async () => {
    if (resources.length === 0) return onHost(place, "leave");
    if (passphrase === undefined) throw new Error("no passphrase is set that it could be encrypted with");
    const copy = { stack, state, configuration: readFileSync(configuration, "utf8") };
    return onHost(place, "put", seal(copy, passphrase));
  };
  await keep().catch((error: Error) =>
    console.error(`warning: the host has no copy of the state as it is now: ${error.message}`),
  );
}
