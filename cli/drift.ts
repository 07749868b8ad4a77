import { parseArgs } from "node:util";
import { type Difference, findDrift, mend } from "../checks/drift";
import { withReach } from "../checks/reach";
import { redactor } from "../checks/secret";
import { runMain } from "../toolchain/commands";
import { asOwner } from "./deployment";
import { stackEnvironment, stackRecord } from "./stack-record";

const usage = `usage: npm run drift -- [--stack staging] [--json] [--mend]

Compares every machine, the firewall and the cluster's objects with what the last run has left, and changes nothing: one
line a difference. Ends with 1 where there is one.

  --json   prints them as JSON, for programs
  --mend   runs the scripts again whose work is not as they have left it, with what they were given in the last run`;

/** `npm run drift`: what is not as the last run has left it. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "staging" },
      json: { type: "boolean", default: false },
      mend: { type: "boolean", default: false },
    },
  });
  const { stack, json } = values;
  const record = await stackRecord(stack);
  const redact = redactor(record.deployment);
  const look = () => withReach(record, (reach) => findDrift(stack, record, reach));
  const tell = (found: readonly Difference[]) => {
    if (json) console.log(redact(JSON.stringify(found, null, 2)));
    else for (const { where, what, text } of found) console.log(redact(`${where}  ${what}: ${text}`));
    if (!json && found.length === 0) console.log("everything is as the last run has left it");
  };
  let found = await look();
  if (values.mend && found.length > 0) {
    await asOwner(await stackEnvironment(stack), stack, () =>
      withReach(record, async (reach) => {
        for await (const { where, what, said } of mend(stack, record, reach, found))
          console.error(redact(`${where}  ${what} has run again: ${said}`));
        return 0;
      }),
    );
    found = await look();
  }
  tell(found);
  return found.length === 0 ? 0 : 1;
}

runMain(main, usage);
