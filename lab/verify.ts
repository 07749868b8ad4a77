import { runMain } from "../toolchain/commands";
import { withKey } from "./agent";
import { labEnvironment, readOptions, readOutputs } from "./context";
import { checkDataServices } from "./verify/data-services";
import { checkFirewall } from "./verify/firewall";
import { watchForeign } from "./verify/foreign";
import { checkKubernetes } from "./verify/kubernetes";
import { reachBy } from "./verify/machine";
import { checkMachines } from "./verify/machines";
import { Report } from "./verify/report";
import { checkSupplies } from "./verify/supplies";

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
  await withKey(outputs.sshPrivateKey, async (agent) => {
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
    else report.note("left out of this lab (kubernetes.deploy)");
    await foreign(report);
    console.log("traffic");
    await checkFirewall(report, outputs, reach);
  });
  return report.conclude();
}

runMain(main);
