import { findingsOn } from "../checks/host";
import { withReach } from "../checks/reach";
import { readRecord, type StackRecord } from "../checks/record";

/**
 * What the preflight finds on a stack's host before a run changes anything: its resource runs again only when the
 * configuration changes, and Docker may have been installed since. Nothing for a stack that is not up yet.
 */
export async function lookAtHost(env: Readonly<Record<string, string>>, stack: string): Promise<string[]> {
  let record: StackRecord;
  try {
    record = await readRecord(env, stack);
  } catch {
    return [];
  }
  try {
    return await withReach(record, ({ host }) => findingsOn(record, host));
  } catch (error) {
    return [`it cannot be looked at: ${(error as Error).message}`];
  }
}
