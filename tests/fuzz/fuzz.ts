import { parseArgs } from "node:util";
import { runMain } from "../../toolchain/commands";
import { fuzzStackFiles } from "./stack-files";

/** `npm run fuzz -- [--count 10000] [--seed 1]`: mutated stack files in front of the loader; prints what should not be. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { count: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
  });
  const count = Number(values.count);
  // None would be a proof of nothing.
  if (!Number.isInteger(count) || count < 1) throw new Error("--count is a number of files, 1 or more");
  const began = Date.now();
  const { refused, accepted, faults } = fuzzStackFiles(count, Number(values.seed));
  for (const { number, fault, text } of faults.slice(0, 10))
    console.log(`file ${number}: ${fault}\n${text}\n`);
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(
    `${values.count} files (seed ${values.seed}): ${refused} refused, ${accepted} taken, ${faults.length} faults, ${seconds} s`,
  );
  return faults.length === 0 ? 0 : 1;
}

if (require.main === module)
  runMain(
    main,
    `usage: npm run fuzz -- [--count 10000] [--seed 1]

Puts mutated stack files in front of the loader (docs/input.md).`,
  );
