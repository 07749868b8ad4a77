import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Report } from "../../checks/report";
import { ensurePackages } from "../../lab/host/packages";
import { buildPrograms, Ground } from "../../lab/wasimoff/ground";
import { runMain } from "../../toolchain/commands";
import { stateDirectory } from "../../toolchain/environment";
import { checkFaults } from "./wasimoff/faults";
import { checkCertificates, checkFront } from "./wasimoff/front";
import { checkResults } from "./wasimoff/results";
import { measureThroughput } from "./wasimoff/throughput";

/**
 * `npm run wasimoff:verify [-- --jobs N]`: the stand-in for Wasimoff's broker and our providers, real Chromiums, on this machine's
 * loopback: jobs, bounds, faults and throughput, one line a check. Needs no lab.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { jobs: { type: "string", default: "1000" } } });
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error("--jobs must be a whole number above 0");
  await ensurePackages("for the checks", ["chromium", "curl", "openssl", "python3"]);
  const programs = await buildPrograms();
  const report = new Report();
  const pictures = join(stateDirectory, "wasimoff");
  mkdirSync(pictures, { recursive: true });
  const ground = new Ground(programs);
  try {
    let broker = await ground.startBroker();
    const restart = async () => {
      await ground.end(broker, "SIGKILL");
      broker = await ground.startBroker();
    };
    const provider = await ground.startProvider(2);
    const client = await ground.client();
    console.log("results");
    await checkResults(report, ground, client);
    console.log("front");
    await checkFront(report, ground, join(pictures, "page.png"));
    console.log("faults");
    await checkFaults(report, ground, client, provider, restart);
    client.close();
  } finally {
    await ground.remove();
  }
  console.log("certificates");
  await checkCertificates(report, programs);
  console.log("throughput");
  const fresh = new Ground(programs);
  try {
    await fresh.startBroker();
    const client = await fresh.client();
    await measureThroughput(report, fresh, client, jobs);
    client.close();
  } finally {
    await fresh.remove();
  }
  return report.conclude();
}

runMain(
  main,
  `usage: npm run wasimoff:verify -- [--jobs 1000]

Starts the stand-in for Wasimoff's broker and our providers on this machine's loopback and checks them, one line a check; needs
no lab.

  --jobs N   how many are sent to measure the throughput of each number of providers`,
);
