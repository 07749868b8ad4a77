import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { run } from "../toolchain/commands";
import type { LabArtifact } from "./artifact";
import { keepBundlesOf } from "./bundle";
import { makeCertificate } from "./certificate";
import { containerKey, makeNetwork, startContainers } from "./containers/containers";
import { certificateFolder, chartsFolder, stackFile } from "./context";
import { type LabArgs, type LabSize, labConfiguration, labDomain } from "./stack";

/**
 * Writes a lab's stack configuration and keeps what the CLI has put beside it (the salt of its secrets). Makes
 * what an operator would bring: a certificate, the artifact's charts on the workstation, and the machines that are there
 * before the stack is.
 */
export async function configureLab(
  lab: Omit<LabArgs, "charts" | "certificate" | "containerKey">,
): Promise<void> {
  const { stack, size, image, artifact } = lab;
  const charts = await unpackCharts(artifact, chartsFolder(stack));
  const certificate = await makeCertificate(certificateFolder(stack), labDomain(stack));
  const configuration = labConfiguration({ ...lab, charts, certificate, containerKey: containerKey(stack) });
  const file = stackFile(stack);
  const former = existsSync(file) ? parse(readFileSync(file, "utf8")) : {};
  const config = Object.fromEntries(
    Object.entries(configuration).map(([key, value]) => [`wiab-staging:${key}`, value]),
  );
  const text = `# The ${size} lab of this machine, written by "npm run lab".\n${stringify({ ...former, config })}`;
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
  keepBundlesOf(file);
  if (lab.existing) await makeNetwork(stack);
  await startContainers({
    stack,
    image,
    machines: (configuration.machines ?? []).filter(({ existing }) => existing),
  });
}

/** Unpacks an artifact's charts, and nothing of a former one's stays. @returns the folder that has a chart for each release. */
async function unpackCharts({ charts }: LabArtifact, folder: string): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run("tar", ["--extract", "--file", charts, "--directory", folder, "charts"]);
  return join(folder, "charts");
}

/** What a lab is that is configured already; undefined where there is none. */
export function configured(
  stack: string,
): { readonly size: LabSize; readonly existing: boolean } | undefined {
  const file = stackFile(stack);
  const config = existsSync(file) ? parse(readFileSync(file, "utf8")).config : undefined;
  const machines = config?.["wiab-staging:machines"];
  return Array.isArray(machines)
    ? {
        size: machines.length > 3 ? "full" : "small",
        existing: config["wiab-staging:host"]?.hypervisor === "none",
      }
    : undefined;
}
