import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asRoot, run } from "../../toolchain/commands";
import { startTicks } from "./processes";

/** What a run makes in this machine's kernel, which outlives the run if that is killed. */
type Kind = "namespace" | "table";

/** Has a file for each run, named after its process. In memory, as what the files name. */
const folder = "/run/wiab-lab";

const fileOf = (pid: number, ticks: string | undefined): string => join(folder, `${pid}-${ticks}`);

/** Notes what this run is about to make: a network namespace, or an nft table of the family inet. */
export function leaveTrace(kind: Kind, name: string): void {
  mkdirSync(folder, { recursive: true });
  const file = fileOf(process.pid, startTicks(process.pid));
  writeFileSync(file, `${kind} ${name}\n`, { flag: "a" });
}

/**
 * Takes away what runs have left that are gone, and nothing that was noted by none of them.
 * @returns what was taken away, a line each.
 * @throws Error if another run is alive: two would stand in each other's way.
 */
export async function takeTracesAway(): Promise<string[]> {
  const done: string[] = [];
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const [pid, ticks] = name.split("-");
    if (Number(pid) === process.pid) continue;
    if (startTicks(Number(pid)) === ticks)
      throw new Error(
        `process ${pid} is looking at a lab of this machine: wait for it, or end it and try again`,
      );
    const file = join(folder, name);
    for (const line of readFileSync(file, "utf8").trimEnd().split("\n").reverse()) {
      const [kind, what = ""] = line.split(" ");
      if (await (kind === "table" ? removeTable(what) : removeNamespace(what)))
        done.push(`took away the ${kind} ${what} of process ${pid}, which is gone`);
    }
    await asRoot("rm", [file]);
  }
  return done;
}

async function removeTable(name: string): Promise<boolean> {
  const listed = await asRoot("nft", ["list", "tables", "inet"]);
  if (!listed.split("\n").includes(`table inet ${name}`)) return false;
  await asRoot("nft", ["delete", "table", "inet", name]);
  return true;
}

/** The end of its cable on this machine goes with it, once no process is in it any more. */
async function removeNamespace(name: string): Promise<boolean> {
  if (!existsSync(join("/run/netns", name))) return false;
  const pids = (await run("ip", ["netns", "pids", name])).split("\n").filter(Boolean);
  if (pids.length > 0) await asRoot("kill", ["-KILL", ...pids]).catch(() => "they have ended by themselves");
  await asRoot("ip", ["netns", "delete", name]);
  return true;
}
