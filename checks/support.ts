import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Reach } from "./reach";
import type { StackRecord } from "./record";

const program = readFileSync(join(__dirname, "programs", "support.sh"), "utf8");

/** Seconds that a machine may take for all it says, the logs of all pods among it. */
const patience = 540;

/** What the host and every machine say of themselves, by file; of one that does not answer, why. */
export async function askMachines({ outputs }: StackRecord, reach: Reach): Promise<Record<string, string>> {
  const [kubenode] = outputs.machines.filter(({ role }) => role === "kubenode");
  const places = [
    { file: "host.txt", remote: reach.host, cluster: false },
    ...outputs.machines.map(({ name }) => ({
      file: `${name}.txt`,
      remote: reach.machine(name),
      cluster: outputs.kubeconfig !== null && name === kubenode?.name,
    })),
  ];
  const said = places.map(async ({ file, remote, cluster }) => [
    file,
    await remote
      .root(["bash", "-s", "--", cluster ? "yes" : "no"], program, patience)
      .catch((error: Error) => error.message),
  ]);
  return Object.fromEntries(await Promise.all(said));
}

/** Writes files into a folder, with whatever is secret blotted out. */
export function writeFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
  redact: (text: string) => string,
): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), redact(text));
}
