import { join } from "node:path";
import { inflateInput, loadScript, recordOf, renderInput, unpackInput } from "../components/machine/script";
import { type Connection, connectionsIn, type Reach } from "./reach";
import type { RecordedResource, StackRecord } from "./record";
import type { Remote } from "./remote";

/** Something that is not as the stack's last run has left it. */
export interface Difference {
  /** The machine; `kubernetes` for an object of the cluster. */
  readonly where: string;
  /** Name of the script's resource, or of the object. */
  readonly what: string;
  readonly text: string;
}

/** A script as the state has it, and where it ran. */
interface Ran {
  readonly resource: RecordedResource;
  readonly where: Remote;
}

const script = loadScript(join(__dirname, "programs"), "drift.sh");

/** Every script of a stack that left something behind, in the order of the state. */
export function scriptsOf(record: StackRecord, reach: Reach): Ran[] {
  const { gateway, machines } = connectionsIn(record);
  const byHost = new Map([...machines].map(([name, { host }]) => [host, name]));
  return record.resources
    .filter(({ type, inputs }) => /^command:(local|remote):Command$/.test(type) && inputs.stdin)
    .map((resource) => {
      const connection: Connection | undefined = resource.inputs.connection;
      const machine = connection && byHost.get(connection.host);
      const beside = connection && connection.host === gateway?.host ? reach.gateway : undefined;
      return { resource, where: machine ? reach.machine(machine) : (beside ?? reach.host) };
    });
}

/** Compares every machine with what scripts have recorded there, and the cluster with what it was given. Changes nothing. */
export async function findDrift(stack: string, record: StackRecord, reach: Reach): Promise<Difference[]> {
  const byPlace = new Map<string, Ran[]>();
  for (const ran of scriptsOf(record, reach))
    byPlace.set(ran.where.name, [...(byPlace.get(ran.where.name) ?? []), ran]);
  const looks = [...byPlace.values()].map((all) => onMachine(stack, all));
  return (await Promise.all([...looks, inCluster(record, reach)])).flat();
}

async function onMachine(stack: string, all: readonly Ran[]): Promise<Difference[]> {
  const [{ where }] = all as [Ran];
  const records = all.map(({ resource }) => recordOf(stack, resource.name));
  const input = renderInput(script, { RECORDS: records.join("\n") });
  try {
    const said = await where.root(["bash", "-s", "--", "apply"], input, 120);
    return said.split("\n").flatMap((line) => {
      const [name, text] = line.split("\t");
      return name && text ? [{ where: where.name, what: name.slice(stack.length + 1), text }] : [];
    });
  } catch (error) {
    return [
      { where: where.name, what: "everything", text: `cannot be compared: ${(error as Error).message}` },
    ];
  }
}

/** What the API server would change if it was given everything once more. */
async function inCluster({ outputs, resources }: StackRecord, reach: Reach): Promise<Difference[]> {
  const [kubenode] = outputs.machines.filter(({ role }) => role === "kubenode");
  if (!outputs.kubeconfig || !kubenode) return [];
  const stdin = resources.find(({ name }) => name === "kubernetes-addons")?.inputs.stdin;
  const addons = stdin && unpackInput(stdin).parameters.OBJECTS;
  const found = await reach
    .machine(kubenode.name)
    .look<{ what: string; text: string }[]>("objects.py", { addons }, 240)
    .catch((error: Error) => [{ what: "everything", text: `cannot be compared: ${error.message}` }]);
  return found.map((each) => ({ where: "kubernetes", ...each }));
}

/**
 * Runs again the scripts whose work is not as they have left it, one after another in the order of the last run, with what
 * they were given then. Gives what each says at its end.
 */
export async function* mend(
  stack: string,
  record: StackRecord,
  reach: Reach,
  differences: readonly Difference[],
): AsyncGenerator<{ readonly where: string; readonly what: string; readonly said: string }> {
  for (const { resource, where } of scriptsOf(record, reach)) {
    const { name, inputs } = resource;
    if (!differences.some((each) => each.where === where.name && each.what === name)) continue;
    const verb = inputs.update ? "update" : "apply";
    const command = ["bash", "-s", "--", verb, recordOf(stack, name)];
    const said = await where.root(command, inflateInput(inputs.stdin), 3600);
    yield { where: where.name, what: name, said: said.split("\n").at(-1) ?? "" };
  }
}
