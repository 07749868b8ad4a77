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
import { measureArtifact } from "./artifact";
import { renderArtifact, renderMarkdown, renderScreen, replaceSection } from "./report";
import { measureStack } from "./session";

const page = join(projectDirectory, "docs/benchmarks.md");

/**
 * `npm run bench`: measures a lab of its own from nothing to nothing and writes docs/benchmarks.md. With the word
 * `artifact` it measures how the artifact is built and gets to the machines.
 */
async function main(): Promise<number> {
  const { stack, size: asked, rest } = readOptions("lab-bench");
  const ofArtifact = rest[0] === "artifact";
  if (rest.length > (ofArtifact ? 1 : 0))
    throw new Error(`${rest.join(" ")}: all that can be asked for is artifact`);
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

  const subject = { env, directory: projectDirectory, stack };
  const advice = (error: Error) => {
    throw new Error(
      `${error.message}\nthe lab stays for a look; "npm run lab:destroy -- --stack ${stack}" takes it away`,
    );
  };
  const about = {
    name: ofArtifact ? "artifact" : size,
    subject: `the ${size} lab with ${size === "full" ? "seven" : "three"} machines`,
    facts,
    date: new Date().toISOString().slice(0, 10),
  };
  let shown: { readonly screen: string; readonly markdown: string };
  if (ofArtifact) {
    shown = renderArtifact(about, await measureArtifact({ ...subject, bundle }).catch(advice));
  } else {
    const result = { ...about, rows: await measureStack(subject).catch(advice) };
    shown = { screen: renderScreen(result), markdown: renderMarkdown(result) };
  }
  await run("sh", ["toolchain/run.sh", "lab/destroy.ts", "--stack", stack], {
    cwd: projectDirectory,
    onLine: (line) => console.log(line),
  });
  writeFileSync(page, replaceSection(readFileSync(page, "utf8"), about.name, shown.markdown));
  console.log(`\n${shown.screen}\n\nwritten to docs/benchmarks.md`);
  return 0;
}

runMain(main);
