import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { makeCertificate } from "./certificate";
import { certificateFolder, stackFile } from "./context";
import { type LabArgs, type LabSize, labConfiguration, labDomain } from "./stack";

/**
 * Writes a lab's stack configuration and keeps what the CLI has put beside it (the salt of its secrets). Makes the
 * lab's certificate, which an operator would bring.
 */
export async function configureLab(lab: Omit<LabArgs, "certificate">): Promise<void> {
  const certificate = await makeCertificate(certificateFolder(lab.stack), labDomain(lab.stack));
  const args = { ...lab, certificate };
  const file = stackFile(args.stack);
  const former = existsSync(file) ? parse(readFileSync(file, "utf8")) : {};
  const config = Object.fromEntries(
    Object.entries(labConfiguration(args)).map(([key, value]) => [`wiab-staging:${key}`, value]),
  );
  const text = `# The ${args.size} lab of this machine, written by "npm run lab".\n${stringify({ ...former, config })}`;
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
}

/** The size of a lab that is configured already. */
export function configuredSize(stack: string): LabSize | undefined {
  const file = stackFile(stack);
  const machines = existsSync(file)
    ? parse(readFileSync(file, "utf8")).config?.["wiab-staging:machines"]
    : undefined;
  return Array.isArray(machines) ? (machines.length > 3 ? "full" : "small") : undefined;
}
