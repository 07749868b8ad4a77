import { readRecord, type StackRecord } from "../checks/record";
import { pulumiEnvironment } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import { checkStackState } from "./stack-state";

/** Reads the state of a stack that is up, with the pinned CLI, from whichever backend has it. */
export async function stackRecord(stack: string): Promise<StackRecord> {
  const env = pulumiEnvironment(await installToolchain(), stack);
  checkStackState(stack, env);
  return readRecord(env, stack);
}
