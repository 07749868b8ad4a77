import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectDirectory } from "../toolchain/environment";
import type { LabOutputs } from "./context";
import { describeHost, hostFacts } from "./host/facts";

/** Puts a section between the marks `<!-- NAME -->` and `<!-- /NAME -->` of docs/reliability.md. */
export function writeSection(name: "faults" | "drills" | "conformance", section: string): void {
  const file = join(projectDirectory, "docs/reliability.md");
  const text = readFileSync(file, "utf8");
  const marked = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
  writeFileSync(
    file,
    text.replace(marked, (_, before, after) => `${before}${section}\n${after}`),
  );
}

/** The day of a run and the lab that it was made on, in words. */
export async function describeLab({ machines }: LabOutputs): Promise<string> {
  const containers = machines.filter(({ existing }) => existing).length;
  const kind = containers > 0 ? `, ${containers} of them containers,` : "";
  const host = describeHost(await hostFacts("/var/lib/libvirt/images"));
  return `${new Date().toISOString().slice(0, 10)}, a lab of ${machines.length} machines${kind} on ${host}`;
}

/** Writes down what a complete run has shown, in Markdown. */
export const writeDown = async (
  name: "faults" | "drills",
  shown: string,
  outputs: LabOutputs,
): Promise<void> => writeSection(name, `${await describeLab(outputs)}.\n\n${shown}`);
