import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectDirectory } from "../toolchain/environment";
import type { LabOutputs } from "./context";

/** Puts what a complete run has shown, in Markdown, into docs/reliability.md between the marks of that name. */
export function writeDown(mark: string, shown: string, { machines }: LabOutputs): void {
  const file = join(projectDirectory, "docs/reliability.md");
  const date = new Date().toISOString().slice(0, 10);
  const section = `${date}, a lab of ${machines.length} machines.\n\n${shown}\n`;
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(
      new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*?(<!-- /${mark} -->)`),
      (_, before, after) => `${before}${section}${after}`,
    ),
  );
}
