import { chmodSync, copyFileSync, cpSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "../lab/host/commands";
import { cached, contentKey } from "./cache";
import { findGo } from "./go";
import { type BuiltTool, builtTools } from "./pins";

const sources = (tool: BuiltTool) => join(__dirname, "go", tool.name);

/** A key for one tool: the same sources, pins and linker values give the same program. */
const keyOf = (tool: BuiltTool) => contentKey([JSON.stringify(tool)], sources(tool));

/** A key for all of them together. */
export const builtKey = (): string => contentKey(builtTools.map(keyOf));

/** Builds every tool that the cache does not have yet and puts all of them where Pulumi looks for them. */
export async function buildTools(home: string): Promise<void> {
  for (const [index, tool] of builtTools.entries()) {
    const started = Date.now();
    const say = (text: string) => console.log(`  [${index + 1}/${builtTools.length}] ${tool.name}: ${text}`);
    let built = false;
    const directory = await cached("tools", keyOf(tool), async (directory) => {
      built = true;
      say(`building, about ${tool.minutes} min on two cores`);
      await buildTool(tool, directory);
    });
    say(built ? `built in ${Math.round((Date.now() - started) / 1000)} s` : "in the cache");
    const target = join(home, tool.path);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(directory, basename(tool.path)), target);
  }
}

async function buildTool(tool: BuiltTool, directory: string): Promise<void> {
  const go = await findGo();
  const work = join(directory, "source");
  cpSync(sources(tool), work, { recursive: true });
  // -mod=mod: the libvirt provider's go.mod cannot be tidied, for the sake of a test that nobody runs here.
  const inWork = (args: readonly string[]) => run(go, ["-C", work, ...args]);
  if (tool.copies) {
    const module = await inWork(["list", "-m", "-f", "{{.Dir}}", tool.copies.module]).then(
      (found) => found || downloadModule(go, work, tool.copies?.module ?? ""),
    );
    for (const file of tool.copies.files) {
      const copy = join(work, basename(file));
      copyFileSync(join(module, file), copy);
      chmodSync(copy, 0o644);
    }
  }
  const variables = Object.entries(tool.variables).map(([name, value]) => `-X ${name}=${value}`);
  const output = join(directory, basename(tool.path));
  await inWork([
    "build",
    "-mod=mod",
    "-trimpath",
    "-ldflags",
    variables.join(" "),
    "-o",
    output,
    tool.package,
  ]);
}

async function downloadModule(go: string, work: string, module: string): Promise<string> {
  const answer = await run(go, ["-C", work, "mod", "download", "-json", module]);
  return JSON.parse(answer).Dir;
}
