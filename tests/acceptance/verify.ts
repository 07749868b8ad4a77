import { withKeys } from "../../lab/agent";
import { certificateFolder, keysOf, labEnvironment, readOptions, readOutputs } from "../../lab/context";
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

/** `npm run lab:verify`: looks at the running lab from outside, one line a check. */
async function main(): Promise<number> {
  const { stack } = readOptions();
  if (process.getuid?.() !== 0)
    throw new Error(
      "the checks send packets from a network namespace, which takes root: sudo npm run lab:verify",
    );
  const { env } = await labEnvironment();
  const outputs = await readOutputs(env, stack);
  const report = new Report();
  await withKeys(keysOf(stack, outputs), async (agent) => {
    const reach = reachBy(outputs, agent);
    const foreign = await watchForeign(outputs);
    console.log("machines");
    await checkMachines(report, outputs, reach);
    console.log("supplies");
    await checkSupplies(report, outputs, reach);
    console.log("data services");
    await checkDataServices(report, outputs, reach);
    console.log("kubernetes");
    if (outputs.kubeconfig) await checkKubernetes(report, outputs, outputs.kubeconfig, reach);
    else report.note("none: the stack has no artifact");
    await foreign(report);
    await withInternet(async (internet) => {
      console.log("traffic");
      await checkFirewall(report, outputs, reach, internet);
      console.log("wire");
      if (outputs.wire)
        await checkWire(report, outputs, outputs.wire, internet, reach, certificateFolder(stack));
      else report.note("left out of this stack (wire.charts)");
    });
  });
  return report.conclude();
}

runMain(main);
