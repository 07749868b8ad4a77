import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkRecords, isServer, type RecordReport } from "../checks/dns";
import { planDnsRecords } from "../components/config/plan";
import { quote } from "../components/config/quote";
import { configurationSchema } from "../components/config/schema";
import { parseYaml } from "../components/config/yaml";
import { describeIssues } from "../components/validation/validate";
import { runMain } from "../toolchain/commands";
import { projectDirectory } from "../toolchain/environment";
import { table } from "../toolchain/table";

/**
 * `npm run dns:check -- [--stack NAME] [--server ADDRESS]`: whether the DNS has what a stack's clients, and Let's
 * Encrypt, look for. Needs the stack's file alone, so that it can be run before the first `up`. Ends with 1 where
 * something is missing or wrong.
 */

const usage = "usage: npm run dns:check -- [--stack NAME] [--server ADDRESS[:PORT]]";

/** The sections that the records follow from. */
const sections = configurationSchema.pick({
  domain: true,
  firewall: true,
  calling: true,
  features: true,
  wasimoff: true,
  mesh: true,
  machines: true,
});

/** @throws Error that says what is wrong with the stack's file. */
function readRecords(stack: string) {
  const file = join(projectDirectory, `Pulumi.${stack}.yaml`);
  if (!existsSync(file)) throw new Error(`there is no ${file}; ${usage}`);
  const { config = {} }: { config?: Record<string, unknown> } =
    (parseYaml(readFileSync(file, "utf8"), file) as { config?: Record<string, unknown> } | null) ?? {};
  const values = Object.fromEntries(
    Object.keys(sections.shape).map((key) => [key, config[`wiab-staging:${key}`]]),
  );
  const parsed = sections.safeParse(values, { reportInput: true });
  if (parsed.success) return planDnsRecords(parsed.data);
  const problems = describeIssues(parsed.error.issues).map(({ key, message }) => `  - ${key}: ${message}`);
  throw new Error(`${file} cannot be used:\n${problems.join("\n")}`);
}

const row = ({ record: { name, type, value }, state, found }: RecordReport): string[] => [
  name,
  type,
  value,
  found ? `${state}: ${found}` : state,
];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { stack: { type: "string", default: "staging" }, server: { type: "string" } },
  });
  if (values.server !== undefined && !isServer(values.server))
    throw new Error(`${quote(values.server)} is not the address of a DNS server; ${usage}`);
  const reports = await checkRecords(readRecords(values.stack), values.server);
  console.log(table(["name", "type", "value", "the DNS has it"], reports.map(row)));
  return reports.every(({ state }) => state === "ok") ? 0 : 1;
}

runMain(main, usage, 2);
