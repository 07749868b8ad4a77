import { withKeys } from "../../lab/agent";
import { certificateFolder, keysOf, labEnvironment, readOptions, readOutputs } from "../../lab/context";
import { ensurePackages, verifyPackages } from "../../lab/host/packages";
import { runMain } from "../../toolchain/commands";
import { checkDataServices } from "./verify/data-services";
import { checkFirewall } from "./verify/firewall";
import { watchForeign } from "./verify/foreign";
import { withInternet } from "./verify/internet";
import { checkKubernetes } from "./verify/kubernetes";
import { reachBy } from "./verify/machine";
import { checkMachines } from "./verify/machines";
import { Report } from "./verify/report";
import { checkSupplies } from "./verify/supplies";
import { checkWire } from "./verify/wire";

/** `npm run lab:verify`: looks at the running lab from outside, all sides at once, one line a check. */
async function main(): Promise<number> {
  const { stack } = readOptions();
  if (process.getuid?.() !== 0)
    throw new Error(
      "the checks send packets from a network namespace, which takes root: sudo npm run lab:verify",
    );
  await ensurePackages("for the checks", verifyPackages);
  const { env } = await labEnvironment();
  const outputs = await readOutputs(env, stack);
  const { kubeconfig, wire } = outputs;
  const report = new Report();
  await withKeys(keysOf(stack, outputs), (agent) =>
    withInternet(async (internet) => {
      const reach = reachBy(outputs, agent);
      const foreign = await watchForeign(outputs);
      try {
        await report.sections({
          machines: (section) => checkMachines(section, outputs, reach),
          supplies: (section) => checkSupplies(section, outputs, reach),
          "data services": (section) => checkDataServices(section, outputs, reach),
          kubernetes: async (section) =>
            kubeconfig
              ? checkKubernetes(section, outputs, kubeconfig, reach)
              : section.note("none: the stack has no artifact"),
          traffic: (section) => checkFirewall(section, outputs, reach, internet),
          wire: async (section) =>
            wire
              ? checkWire(section, outputs, wire, internet, reach, certificateFolder(stack))
              : section.note("left out of this stack (wire.charts)"),
        });
      } finally {
        await foreign(report);
      }
    }),
  );
  return report.conclude();
}

runMain(main);
