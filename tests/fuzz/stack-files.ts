import { stringify } from "yaml";
import { planDeployment } from "../../components/config/plan";
import { parseYaml } from "../../components/config/yaml";
import { scriptParameters } from "../../components/host/firewall/firewall";
import { planRuleset } from "../../components/host/firewall/ruleset";
import { renderUserData } from "../../components/host/machine/cloud-init";
import { libvirtUri } from "../../components/host/preflight/preflight";
import { workstation } from "../../components/validation/load";
import { readStackFile, strayKeys } from "../../components/validation/stack-file";
import { ConfigurationError, sectionNames, validate } from "../../components/validation/validate";
import { labValues, stagingValues, type Values } from "../stacks";
import { generator, mutate, tellTales } from "./mutations";

const project = "wiab-staging";
const name = "Pulumi.fuzz.yaml";

/** What became of the files: how many were refused and taken, and what should not have happened. */
export interface Findings {
  refused: number;
  accepted: number;
  readonly faults: { readonly number: number; readonly fault: string; readonly text: string }[];
}

/**
 * Puts mutated stack files in front of the loader. A file is refused with a message or taken; whatever is taken can be
 * planned to the end.
 * @param seed the same gives the same files.
 */
export function fuzzStackFiles(count: number, seed: number): Findings {
  const findings: Findings = { refused: 0, accepted: 0, faults: [] };
  let number = -1;
  for (const text of mutated(count, seed)) {
    number++;
    try {
      const message = refusalOf(text);
      if (message === undefined) findings.accepted++;
      else {
        findings.refused++;
        const fault = faultIn(message);
        if (fault) findings.faults.push({ number, fault: `${fault}: ${message}`, text });
      }
    } catch (error) {
      findings.faults.push({ number, fault: `a stack trace: ${(error as Error).stack}`, text });
    }
  }
  return findings;
}

/** Mutated files of stacks with and without an artifact. @param seed - The same gives the same files. */
export function* mutated(count: number, seed: number): Generator<string> {
  const random = generator(seed);
  const bases = [stagingValues(), stagingValues(), stagingValues(), labValues("small")].map(asFile);
  for (let number = 0; number < count; number++) yield mutate(bases[number % bases.length] as string, random);
}

const asFile = (values: Values): string =>
  stringify({
    config: Object.fromEntries(Object.entries(values).map(([key, value]) => [`${project}:${key}`, value])),
  });

/** What is said of a file; undefined if it is taken. */
export const refusalOf = (text: string): string | undefined => judge(text).refusal;

/** What a preview says of a file. */
export interface Judgement {
  /** Why it is refused; undefined if it is taken. */
  readonly refusal?: string;
  readonly warnings: readonly string[];
}

/** Judges a file as a preview does before the first resource. Whatever is thrown is a fault of the program's. */
export function judge(text: string): Judgement {
  const file = readStackFile(name, text, project);
  const refused = (refusal: string): Judgement => ({ refusal, warnings: [] });
  if (file.syntax.length > 0)
    return refused(file.syntax.map(({ message, line }) => `${name}:${line} ${message}`).join("\n"));
  const given = valuesIn(text);
  if (typeof given === "string") return refused(given);
  const all = Object.keys(given);
  const values = ownValues(given);
  try {
    const { config, warnings } = validate(values, {
      ...workstation,
      encrypted: [],
      stackFile: file,
      strayKeys: strayKeys(all, project, sectionNames, file.lineOf),
    });
    const plan = planDeployment(config);
    scriptParameters({
      ruleset: planRuleset(config, plan),
      publicInterface: config.firewall.publicInterface,
    });
    libvirtUri(config.host);
    for (const { name: machine, mac } of plan.machines)
      renderUserData({
        name: machine,
        domain: config.domain,
        mac,
        user: config.ssh.user,
        authorizedKeys: [],
      });
    return { warnings };
  } catch (error) {
    if (error instanceof ConfigurationError) return refused(error.message);
    throw error;
  }
}

/** The values of a file that can be read, without the project's name before their keys. */
export function valuesOf(text: string): Values {
  const given = valuesIn(text);
  return typeof given === "string" ? {} : ownValues(given);
}

const ownValues = (given: Values): Values =>
  Object.fromEntries(
    Object.entries(given)
      .filter(([key]) => key.startsWith(`${project}:`))
      .map(([key, value]) => [key.slice(key.lastIndexOf(":") + 1), value]),
  );

/** The values as the engine would hand them over: JSON of what its reader makes of the first document, and of no other. */
function valuesIn(text: string): Values | string {
  try {
    const [first] = text.split(/^(?:---|\.\.\.)\s*$/m).filter((part) => part.trim() !== "");
    const parsed = parseYaml(first ?? "", name) as { config?: unknown } | null;
    const config = JSON.parse(JSON.stringify(parsed?.config ?? {}));
    return typeof config === "object" && !Array.isArray(config) ? config : "config is no section";
  } catch (error) {
    return (error as Error).message;
  }
}

/** What is wrong with a message: a secret, a line of code, or a value that nobody has filled in. */
function faultIn(message: string): string | undefined {
  const secret = tellTales.find((part) => message.includes(part));
  if (secret) return "a secret in a message";
  if (/\n\s+at .*:\d+:\d+/.test(message)) return "a stack trace in a message";
  return /undefined|\bNaN\b|\bInfinity\b|\[object /.test(message) ? "an empty place in a message" : undefined;
}
