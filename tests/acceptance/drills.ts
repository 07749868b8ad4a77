import { withKeys } from "../../checks/agent";
import { quote } from "../../components/config/quote";
import { keysOf, labEnvironment, readOptions, readOutputs } from "../../lab/context";
import { ensurePackages, verifyPackages } from "../../lab/host/packages";
import { writeDown } from "../../lab/record";
import { runMain } from "../../toolchain/commands";
import { markdownTable, table } from "../../toolchain/table";
import { dependencyDrills } from "./drills/dependencies";
import { editDrills } from "./drills/edits";
import { failoverDrills } from "./drills/failover";
import { type Drill, DrillGround, expectEqual } from "./drills/ground";
import { imageDrills } from "./drills/images";
import { meshDrills } from "./drills/mesh";
import { releaseDrills } from "./drills/releases";
import { withInternet } from "./verify/internet";
import { reachBy } from "./verify/machine";

const drills: readonly Drill[] = [
  ...dependencyDrills,
  ...failoverDrills,
  ...imageDrills,
  ...editDrills,
  ...releaseDrills,
  ...meshDrills,
];

/** How a drill has ended. */
interface Row {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** What was seen, or what went wrong. */
  readonly seen: string;
}

/**
 * `npm run drills -- [name…]`: takes things away from Wire's services, edits the configuration and breaks releases on a
 * lab that is up, and sees that what should follow does, and nothing else. Ends with 1 if something else does.
 */
async function main(): Promise<number> {
  const { stack, rest } = readOptions();
  const chosen = drills.filter(({ name }) => rest.length === 0 || rest.some((word) => name.includes(word)));
  if (chosen.length === 0)
    throw new Error(
      `no drill has ${rest.map(quote).join(" or ")} in its name; there are\n${drills.map(({ name }) => name).join("\n")}`,
    );
  if (process.getuid?.() !== 0)
    throw new Error("the page is looked at from a network namespace, which takes root: sudo npm run drills");
  await ensurePackages("for the checks", verifyPackages);
  const { env, home } = await labEnvironment();
  const outputs = await readOutputs(env, stack);
  const { wire } = outputs;
  if (!wire) throw new Error(`there is nothing of Wire's in the lab ${stack}`);
  const rows: Row[] = [];
  await withKeys(keysOf(stack, outputs), (agent) =>
    withInternet(async (internet) => {
      const reach = reachBy(outputs, agent);
      const ground = new DrillGround(stack, env, home, { ...outputs, wire }, reach, internet);
      try {
        await ground.healthy();
        for (const drill of chosen) rows.push(await hold(drill, ground));
        // Whatever was tried: the program has nothing left to do.
        rows.push(
          await hold(
            { name: "the next preview", hold: async () => nothingIn(await ground.preview()) },
            ground,
          ),
        );
      } finally {
        ground.remove();
      }
    }),
  );
  console.log(`\n${table(heads, rows.map(cells))}`);
  if (rest.length === 0) await writeDown("drills", markdownTable(heads, rows.map(cells)), outputs);
  return rows.every(({ passed }) => passed) ? 0 : 1;
}

function nothingIn(changes: readonly string[]): string {
  expectEqual(changes, []);
  return "nothing to change";
}

const heads = ["drill", "result", "seconds", "seen"];
const cells = ({ name, passed, seconds, seen }: Row): string[] => [
  name,
  passed ? "passed" : "FAILED",
  `${seconds}`,
  seen,
];

/** Holds a drill on a lab that is in order, and waits until it is so again. */
async function hold({ name, hold }: Drill, ground: DrillGround): Promise<Row> {
  console.log(`\n${name}`);
  const begun = Date.now();
  const end = (passed: boolean, seen: string): Row => {
    console.log(`  ${passed ? "ok  " : "FAIL"}  ${seen}`);
    return { name, passed, seconds: Math.round((Date.now() - begun) / 1000), seen };
  };
  try {
    const seen = await hold(ground);
    await ground.healthy();
    return end(true, seen);
  } catch (error) {
    return end(false, (error as Error).message);
  }
}

runMain(
  main,
  `usage: npm run drills -- [--stack lab] [NAME...]

Takes things away from the lab, edits its configuration, breaks releases, and sees that just what should follow does.`,
);
