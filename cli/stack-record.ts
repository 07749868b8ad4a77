import { readRecord, type StackRecord } from "../checks/record";
import { pulumiEnvironment } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import { checkStackState } from "./stack-state";

/** The pinned CLI's environment for a stack, in whichever backend has it. */
export async function stackEnvironment(stack: string): Promise<Record<string, string>> {
  const env = pulumiEnvironment(await installToolchain(), stack);
  checkStackState(stack, env);
  return env;
}

/** Reads the state of a stack that is up, secrets included. */
export const stackRecord = async (stack: string): Promise<StackRecord> =>
  readRecord(await stackEnvironment(stack), stack);
