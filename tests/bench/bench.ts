import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildLabBundle } from "../../lab/bundle";
import { configureLab } from "../../lab/configure";
import { labEnvironment, readOptions, stackFile } from "../../lab/context";
import { buildGuestImage } from "../../lab/guest/image";
import { hostFacts } from "../../lab/host/facts";
import { prepareHost } from "../../lab/host/prepare";
import { chooseSize } from "../../lab/stack";
import { run, runMain } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";
import { createStack } from "../../toolchain/pulumi";
import { renderMarkdown, renderScreen, replaceSection } from "./report";
import { measureStack } from "./session";

const page = join(projectDirectory, "docs/benchmarks.md");

/** `npm run bench`: measures a lab of its own from nothing to nothing and writes docs/benchmarks.md. */
async function main(): Promise<number> {
  const { stack, size: asked } = readOptions("lab-bench");
  if (!stack.startsWith("lab-"))
    throw new Error(
      `--stack ${stack}: it starts with "lab-", for the bench makes and destroys a lab of its own`,
    );
  if (existsSync(stackFile(stack)))
    throw new Error(
      `the lab ${stack} is there already, and "up" is measured from nothing: ` +
        `run "npm run lab:destroy -- --stack ${stack}" first`,
    );
  // Ctrl-C reaches the CLI through the terminal; this process waits for its orderly end.
  process.on("SIGINT", () => {});
  await prepareHost();
  const { env } = await labEnvironment();
  const image = await buildGuestImage();
  const bundle = await buildLabBundle();
  const facts = await hostFacts("/var/lib/libvirt/images");
  const size = asked ?? chooseSize(facts).size;
  configureLab({ stack, size, facts, image, bundle });
  await createStack(env, stack);

  const rows = await measureStack({ env, directory: projectDirectory, stack }).catch((error: Error) => {
    const advice = `the lab stays for a look; "npm run lab:destroy -- --stack ${stack}" takes it away`;
    throw new Error(`${error.message}\n${advice}`);
  });
  await run("sh", ["toolchain/run.sh", "lab/destroy.ts", "--stack", stack], {
    cwd: projectDirectory,
    onLine: (line) => console.log(line),
  });

  const result = {
    name: size,
    subject: `the ${size} lab with ${size === "full" ? "seven" : "three"} machines`,
    facts,
    date: new Date().toISOString().slice(0, 10),
    rows,
  };
  writeFileSync(page, replaceSection(readFileSync(page, "utf8"), size, renderMarkdown(result)));
  console.log(`\n${renderScreen(result)}\n\nwritten to docs/benchmarks.md`);
  return 0;
}

runMain(main);
