import { parseArgs } from "node:util";
import { runMain } from "../toolchain/commands";
import { table } from "../toolchain/table";
import { minutesHere } from "./pace";
import { hasPassed, type Proof, prove } from "./prove";
import { furtherStages, type Preparation, type Stage, stages, without } from "./stages";

/** What the command line asks for: stages by name, in their own order, and how many minutes at most. */
function readOptions() {
  const { values, positionals } = parseArgs({
    options: { within: { type: "string" } },
    allowPositionals: true,
  });
  const within = values.within === undefined ? Number.POSITIVE_INFINITY : Number(values.within);
  if (!(within > 0)) throw new Error(`--within ${values.within}: wanted is a number of minutes`);
  return { chosen: chosenStages(positionals), within };
}

function chosenStages(names: readonly string[]): readonly Stage[] {
  const all = [...stages, ...furtherStages];
  const known = all.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no stage ${unknown.join(", ")}; known are ${known.join(", ")}`);
  return names.length === 0 ? stages : all.filter(({ name }) => names.includes(name));
}

/** Says what will be done and how long it takes here. */
function announce(chosen: readonly Stage[]): void {
  const announced = new Set<Preparation>();
  let sum = 0;
  const rows = chosen.map(({ name, minutes, needs }) => {
    const before = needs
      .filter((need) => !announced.has(need))
      .map((need) => ({ ...need, minutes: need.minutes() }))
      .filter((need) => need.minutes > 0);
    for (const need of needs) announced.add(need);
    sum += minutes + before.reduce((total, need) => total + need.minutes, 0);
    return [name, `${minutes}`, before.map((need) => `${need.name} ${need.minutes}`).join(", ")];
  });
  console.log(table(["stage", "minutes", "and before it"], rows));
  console.log(`\n${sum} min at most in all, as measured on two cores without KVM, with what the cache has.`);
}

/** Proves the project; see CONTRIBUTING.md. The last line it prints has the number of tests. */
async function main(): Promise<number> {
  const { chosen, within } = readOptions();
  announce(chosen);
  const started = Date.now();
  const proofs: Proof[] = [];
  const leftOut: string[] = [];
  const prepared = new Map<Preparation, Proof>();
  let expected = 0;
  for (const { name, needs, minutes, run } of chosen) {
    const missing = needs.filter((need) => !prepared.has(need));
    const wanted = missing.reduce((sum, need) => sum + need.minutes(), minutes);
    const gone = (Date.now() - started) / 60_000;
    const here = minutesHere(wanted, gone, expected);
    if (gone + here > within) {
      leftOut.push(`${name} (${gone.toFixed(0)} minutes are gone, and it may take ${here})`);
      continue;
    }
    expected += wanted;
    for (const need of missing) {
      const proof = await prove(`preparing: ${need.name}`, async () => {
        await need.run();
        return without;
      });
      prepared.set(need, proof);
      proofs.push(proof);
    }
    // On a machine that could not be prepared its tests would only add failures that say less.
    const broken = needs.filter((need) => !hasPassed(prepared.get(need) as Proof));
    proofs.push(
      broken.length === 0
        ? await prove(name, run)
        : {
            name: `${name} (not begun)`,
            passed: 0,
            wrong: [`for want of ${broken.map((need) => need.name).join(", ")}`],
            seconds: 0,
          },
    );
  }

  const cells = (proof: Proof): string[] => [
    proof.name,
    hasPassed(proof) ? "passed" : "FAILED",
    `${proof.passed}`,
    `${proof.wrong.length}`,
    `${proof.seconds}`,
  ];
  console.log(`\n${table(["stage", "result", "passed", "failed", "seconds"], proofs.map(cells))}\n`);
  if (leftOut.length > 0)
    console.log(`NOT RUN, for it would not end within ${within} minutes: ${leftOut.join(", ")}\n`);
  // Where thousands of lines have gone by, and whoever keeps the last ones keeps these.
  const wrong = proofs.flatMap(({ name, wrong }) => wrong.map((line) => `FAILED  ${name}: ${line}`));
  if (wrong.length > 0) console.log(`${wrong.join("\n")}\n`);
  const passed = proofs.reduce((sum, proof) => sum + proof.passed, 0);
  console.log(`tests: ${passed} passed, ${wrong.length} failed`);
  return proofs.length > 0 && proofs.every(hasPassed) ? 0 : 1;
}

runMain(
  main,
  `usage: npm test -- [--within MINUTES] [STAGE...]

What every change has to pass. Without stages, all but the further ones; the names are in tests/stages.ts.`,
);
