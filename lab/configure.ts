import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { makeCertificate } from "./certificate";
import { containerKey, startContainers } from "./containers/containers";
import { certificateFolder, stackFile } from "./context";
import { type LabArgs, type LabSize, labConfiguration, labDomain, labIdentity, labUser } from "./stack";

/**
 * Writes a lab's stack configuration and keeps what the CLI has put beside it (the salt of its secrets). Makes
 * what an operator would bring: a certificate, and the machines that are there before the stack is.
 */
export async function configureLab(lab: Omit<LabArgs, "certificate" | "containerKey">): Promise<void> {
  const { stack, size, image } = lab;
  const certificate = await makeCertificate(certificateFolder(stack), labDomain(stack));
  const configuration = labConfiguration({ ...lab, certificate, containerKey: containerKey(stack) });
  const file = stackFile(stack);
  const former = existsSync(file) ? parse(readFileSync(file, "utf8")) : {};
  const config = Object.fromEntries(
    Object.entries(configuration).map(([key, value]) => [`wiab-staging:${key}`, value]),
  );
  const text = `# The ${size} lab of this machine, written by "npm run lab".\n${stringify({ ...former, config })}`;
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
  const { network, prefix } = labIdentity(stack);
  await startContainers({
    stack,
    network,
    gateway: `${prefix}.1`,
    prefixLength: 24,
    domain: labDomain(stack),
    user: labUser,
    image,
    machines: (configuration.machines ?? []).filter(({ existing }) => existing),
  });
}

/** The size of a lab that is configured already. */
export function configuredSize(stack: string): LabSize | undefined {
  const file = stackFile(stack);
  const machines = existsSync(file)
    ? parse(readFileSync(file, "utf8")).config?.["wiab-staging:machines"]
    : undefined;
  return Array.isArray(machines) ? (machines.length > 3 ? "full" : "small") : undefined;
}
