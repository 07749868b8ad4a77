import { spawn } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withKeys } from "../../checks/agent";
import { keysOf, labEnvironment, readOutputs } from "../../lab/context";
import { projectDirectory } from "../../toolchain/environment";
import { clusterIsHealthy } from "../acceptance/faults/kubernetes";
import { Writer } from "../acceptance/faults/writer";
import { reachBy } from "../acceptance/verify/machine";

// A full lab that begins one minor version of Kubernetes below, and is taken to the lab's own while somebody writes to
// the API.
const stack = "lab-upgrade";
const minutes = 60_000;

/** Runs one of the project's commands to its end; a failure shows all that it has printed. */
async function succeed(...args: string[]): Promise<string> {
  const child = spawn("npm", ["run", "--silent", ...args, "--stack", stack], {
    cwd: projectDirectory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (text += chunk));
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`npm run ${args.join(" ")} ended with ${code}:\n${text}`);
  return text;
}

beforeAll(() => succeed("lab:destroy", "--"), 30 * minutes);
afterAll(() => succeed("lab:destroy", "--"), 5 * minutes);

it("goes from one Kubernetes to the next while the API is written to, and works", {
  timeout: 180 * minutes,
}, async () => {
  await succeed("lab", "--", "--size", "full", "--former");
  const { env } = await labEnvironment();
  const outputs = await readOutputs(env, stack);
  await withKeys(keysOf(stack, outputs), async (agent) => {
    const client = reachBy(outputs, agent)("kubenode3");
    await clusterIsHealthy(client);
    const writer = await Writer.start(client, "kubernetes", outputs.dataServices);
    const report = await succeed("lab", "--");
    const { acknowledged, missingCount, longestPause } = await writer.stop();
    console.log(
      `${acknowledged} records acknowledged, ${missingCount} lost, longest pause ${longestPause.milliseconds / 1000} s`,
    );
    for (const name of ["kubenode1", "kubenode2", "kubenode3"])
      expect(report).toMatch(new RegExp(`${name} runs Kubernetes v1\\.36\\.`));
    expect(missingCount).toBe(0);
    await clusterIsHealthy(client);
  });
  expect(await succeed("lab:verify", "--")).toMatch(/^\d+ passed, 0 failed$/m);
});
