import { withKeys } from "../../checks/agent";
import { inspect } from "../../checks/inspect";
import { withReach } from "../../checks/reach";
import { readRecord } from "../../checks/record";
import { Report } from "../../checks/report";
import { certificateFolder, keysOf, type LabOutputs, labEnvironment, readOptions } from "../../lab/context";
import { ensurePackages, verifyPackages } from "../../lab/host/packages";
import { runMain } from "../../toolchain/commands";
import { checkFirewall } from "./verify/firewall";
import { watchForeign } from "./verify/foreign";
import { withInternet } from "./verify/internet";
import { checkKubernetes } from "./verify/kubernetes";
import { reachBy } from "./verify/machine";
import { checkMachines } from "./verify/machines";
import { checkScans } from "./verify/scan";
import { checkSupplies } from "./verify/supplies";
import { checkWire } from "./verify/wire";

/** Seconds that what is not so at first may take after a boot; emulated machines take minutes. */
const patience = 900;

/**
 * `npm run lab:verify`: what `npm run verify` looks at, and what takes the lab's own host: packets from an internet that is
 * played, pods and packages of its own, a browser.
 */
async function main(): Promise<number> {
  const { stack } = readOptions();
  if (process.getuid?.() !== 0)
    throw new Error(
      "the checks send packets from a network namespace, which takes root: sudo npm run lab:verify",
    );
  await ensurePackages("for the checks", verifyPackages);
  const { env } = await labEnvironment();
  const record = await readRecord(env, stack);
  const outputs = record.outputs as LabOutputs;
  const { kubeconfig, wire } = outputs;
  const report = new Report();
  await withKeys(keysOf(stack, outputs), (agent) =>
    withInternet(async (internet) => {
      const reach = reachBy(outputs, agent);
      const foreign = await watchForeign(outputs);
      try {
        await withReach(record, (way) => inspect(report, record, way, { patience }));
        await report.sections({
          "machines of the lab": (section) => checkMachines(section, outputs, reach),
          supplies: (section) => checkSupplies(section, outputs, reach),
          "pods of the lab": async (section) =>
            kubeconfig
              ? checkKubernetes(section, outputs, kubeconfig, reach)
              : section.note("none: the stack has no artifact"),
          traffic: (section) => checkFirewall(section, outputs, reach, internet),
          "wire, from the internet": async (section) =>
            wire
              ? checkWire(section, outputs, wire, internet, reach, certificateFolder(stack))
              : section.note("left out of this stack (wire.charts)"),
        });
        // By themselves: before, others listen for a while where nothing should answer.
        await report.sections({ "what answers": (section) => checkScans(section, outputs, reach, internet) });
      } finally {
        await foreign(report);
      }
    }),
  );
  return report.conclude();
}

runMain(
  main,
  `usage: sudo npm run lab:verify -- [--stack lab]

Looks at the running lab from outside, packets included, one line a check.`,
);
