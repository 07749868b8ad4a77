import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { withReach } from "../checks/reach";
import { readRecord, type StackRecord } from "../checks/record";
import type { Remote } from "../checks/remote";
import { projectDirectory } from "../toolchain/environment";
import { onHost, placeOf } from "./host-record";

/** A text as the store of backups takes it (components/backup/pieces.py). */
const framed = (text: string): string =>
  `${Buffer.byteLength(text)}\n${text}0\n${createHash("sha256").update(text).digest("hex")}\n`;

/** Keeps the copy of a state among the backups of an asset host, as its service `state` of the node `host`. */
export const keepAmongBackups = (assetHost: Pick<Remote, "root">, copy: string): Promise<string> =>
  assetHost.root(
    [
      ...["runuser", "-u", "wiab-backup", "--", "env", "SSH_ORIGINAL_COMMAND=put state"],
      ...["/opt/wiab/backup/store", "host", "state"],
    ],
    framed(copy),
  );

/**
 * Brings the copy of a state that the host has to the asset host as well, whose backups go elsewhere. It is worth no
 * failure: the state itself is here.
 * @returns what went wrong; undefined if nothing did, or there is no copy or no asset host.
 */
export async function keepElsewhere(
  env: Readonly<Record<string, string>>,
  stack: string,
  directory = projectDirectory,
): Promise<string | undefined> {
  const configuration = join(directory, `Pulumi.${stack}.yaml`);
  const place = existsSync(configuration) ? placeOf(configuration) : undefined;
  if (!place) return undefined;
  let record: StackRecord;
  try {
    record = await readRecord(env, stack);
  } catch {
    return undefined;
  }
  const assetHost = record.outputs.machines.find(({ role }) => role === "assethost");
  if (!assetHost || !record.outputs.kubeconfig) return undefined;
  try {
    const copy = await onHost(place, "get");
    if (copy !== "")
      await withReach(record, ({ machine }) => keepAmongBackups(machine(assetHost.name), copy));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
