import { withKeys } from "../../checks/agent";
import { quote } from "../../components/config/quote";
import { keysOf, labEnvironment, readOptions, readOutputs } from "../../lab/context";
import { writeDown } from "../../lab/record";
import { waitFor } from "../../lab/wait";
import { runMain } from "../../toolchain/commands";
import { pulumiOutput, resourcesIn } from "../../toolchain/pulumi";
import { markdownTable, table } from "../../toolchain/table";
import type { Fault, Patient, Subject } from "./faults/fault";
import { faults } from "./faults/faults";
import { clusterIsHealthy } from "./faults/kubernetes";
import { installWriter, Writer, type WriterReport } from "./faults/writer";
import { type RemoteMachine, reachBy } from "./verify/machine";

/** Seconds within which everything has to be healthy again; emulated machines take minutes to boot. */
const patience = 1200;

/** What a fault did to the clients of one service. */
interface Row extends WriterReport {
  readonly fault: string;
  /** What else there is to say of it. */
  readonly remark: string;
  /** Seconds from the strike until every node called the service healthy. */
  readonly healthyAfter: number;
}

/** `npm run faults`: does the lab harm while clients write, and counts what they lose. */
async function main(): Promise<number> {
  const { stack, rest } = readOptions();
  const chosen = faults.filter(({ name }) => rest.length === 0 || rest.some((word) => name.includes(word)));
  if (chosen.length === 0) throw new Error(`no fault has ${rest.map(quote).join(" or ")} in its name`);
  const { env } = await labEnvironment();
  const outputs = await readOutputs(env, stack);
  const rows: Row[] = [];
  const notSeen: string[] = [];
  await withKeys(keysOf(stack, outputs), async (agent) => {
    const reach = reachBy(outputs, agent);
    const named = (role: string) =>
      outputs.machines.filter((machine) => machine.role === role).map(({ name }) => name);
    const patient: Patient = { outputs, datanodes: named("datanode"), kubenodes: named("kubenode"), reach };
    // What the other faults show is not lost with one that goes wrong.
    for (const fault of chosen)
      try {
        rows.push(...(await observe(fault, patient)));
      } catch (error) {
        notSeen.push(`${fault.name}: ${(error as Error).message}`);
        console.log(`  FAIL  ${(error as Error).message}`);
      }
  });
  const summary = await pulumiOutput(env, [
    ...["up", "--yes", "--skip-preview", "--stack", stack, "--non-interactive", "--color", "never"],
  ]);
  const repair = resourcesIn(summary);
  const list = notSeen.map((line) => `- Not seen to its end: ${line}\n`).join("");
  const shown = `${table(heads, rows.map(cells))}\n\n${list}`;
  console.log(`\n${shown}The next up: ${repair}`);
  if (rest.length === 0) {
    const markdown = markdownTable(heads, rows.map(cells));
    await writeDown("faults", `${markdown}\n\n${list}The next \`up\`: ${repair}.`, outputs);
  }
  const survived = rows.every(({ missingCount, error }) => missingCount === 0 && error === "");
  return survived && notSeen.length === 0 ? 0 : 1;
}

async function observe(fault: Fault, patient: Patient): Promise<Row[]> {
  console.log(`\n${fault.name}`);
  const { outputs, reach } = patient;
  const client = reach(fault.client?.(patient) ?? (patient.kubenodes[0] as string));
  await installWriter(client, outputs.assets.url);
  await healthy(fault.subjects, patient, client);
  const writers = await Promise.all(
    fault.subjects.map((subject) => Writer.start(client, subject, outputs.dataServices)),
  );
  console.log(`  ${writers.length} writing; striking`);
  const struck = Date.now();
  let remark = "";
  let healthyAfter: Awaited<ReturnType<typeof healthy>> = {};
  let reports: readonly WriterReport[] = [];
  try {
    remark = (await fault.strike(patient)) ?? "";
    if (remark) console.log(`  ${remark}`);
    healthyAfter = await healthy(fault.subjects, patient, client, struck);
    // A service that calls itself healthy and takes no write is not.
    for (const writer of writers)
      await waitFor(`${writer.service} to take writes again`, patience, async () => {
        if (!writer.writes) throw new Error("the last record was not acknowledged");
      });
    console.log("  healthy again, and every service takes writes; reading back what was acknowledged");
  } finally {
    // What was lost is told also of a fault that was not seen to its end.
    reports = await Promise.all(writers.map((writer) => writer.stop()));
    for (const report of reports)
      console.log(
        `  ${report.service}: ${report.acknowledged} acknowledged, ${report.missingCount} lost${report.error && ` (${report.error})`}, longest pause ${(report.longestPause.milliseconds / 1000).toFixed(1)} s`,
      );
  }
  return reports.map((report) => ({
    ...report,
    fault: fault.name,
    remark,
    healthyAfter: healthyAfter[report.service] as number,
  }));
}

/** Waits until all that is watched is healthy, on every node; gives the seconds that each took. */
async function healthy(
  subjects: readonly Subject[],
  { datanodes, reach }: Patient,
  client: RemoteMachine,
  since = Date.now(),
): Promise<Partial<Record<Subject, number>>> {
  const after: Partial<Record<Subject, number>> = {};
  await Promise.all(
    subjects.map(async (subject) => {
      await waitFor(`${subject} to be healthy`, patience, async () => {
        if (subject === "kubernetes") return clusterIsHealthy(client);
        for (const name of datanodes) await reach(name).run(`sudo /opt/wiab/${subject}/health`);
      });
      after[subject] = (Date.now() - since) / 1000;
    }),
  );
  return after;
}

const heads = ["fault", "service", "acknowledged", "lost", "longest pause", "healthy after", ""];
const cells = (row: Row): string[] => [
  row.fault,
  row.service,
  `${row.acknowledged}`,
  row.error ? `unknown: ${row.error}` : `${row.missingCount}`,
  `${(row.longestPause.milliseconds / 1000).toFixed(1)} s`,
  `${row.healthyAfter.toFixed(0)} s`,
  row.remark,
];

runMain(
  main,
  `usage: npm run faults -- [--stack lab] [NAME...]

Does the lab harm while clients write, and counts what they lose.`,
);
