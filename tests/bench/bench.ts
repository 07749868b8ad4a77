import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ofBundle } from "../../lab/artifact";
import { buildLabBundle } from "../../lab/bundle";
import { configured, configureLab } from "../../lab/configure";
import { labEnvironment, readOptions, stackFile } from "../../lab/context";
import { buildGuestImage } from "../../lab/guest/image";
import { type HostFacts, hostFacts } from "../../lab/host/facts";
import { prepareHost } from "../../lab/host/prepare";
import { chooseSize, containerRoles, type LabSize } from "../../lab/stack";
import { run, runMain } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";
import { createStack } from "../../toolchain/pulumi";
import { describeFilling, measureBuilds, measureDistribution } from "./artifact";
import { partsOf, renderParts } from "./parts";
import { describeMachine, renderArtifact, renderMarkdown, renderScreen, replaceSection } from "./report";
import { measureStack } from "./session";
import { renderTimeline } from "./timeline";

const page = join(projectDirectory, "docs/benchmarks.md");

/** What can be measured; the first without being asked for. */
const subjects = ["stack", "bundle", "distribution"] as const;

/**
 * `npm run bench [-- stack]` measures a lab of its own from nothing to nothing, `-- bundle` how its bundle is built,
 * `-- distribution` how images get to the Kubernetes nodes of a lab that is up. Each writes docs/benchmarks.md.
 */
async function main(): Promise<number> {
  const { stack, size, rest } = readOptions("lab-bench");
  const [asked = "stack", ...more] = rest;
  const subject = subjects.find((each) => each === asked);
  if (!subject || more.length > 0)
    throw new Error(`${rest.join(" ")}: what can be measured is ${subjects.join(", ")}`);
  // Ctrl-C reaches the CLI through the terminal; this process waits for its orderly end.
  process.on("SIGINT", () => {});
  await prepareHost();
  const facts = await hostFacts("/var/lib/libvirt/images");
  const date = new Date().toISOString().slice(0, 10);
  const bundle = await buildLabBundle();
  if (subject === "stack") return benchStack(stack, size ?? chooseSize(facts).size, facts, date, bundle);

  const { env } = await labEnvironment();
  const rows =
    subject === "bundle"
      ? await measureBuilds(join(projectDirectory, "lab/bundle.yaml"))
      : await measureDistribution({ env, directory: projectDirectory, stack, bundle });
  const described = subject === "bundle" ? "lab/bundle.yaml" : `the ${configured(stack)?.size} lab`;
  write(subject, renderArtifact({ name: subject, subject: described, facts, date }, rows));
  return 0;
}

async function benchStack(
  stack: string,
  size: LabSize,
  facts: HostFacts,
  date: string,
  bundle: string,
): Promise<number> {
  if (!stack.startsWith("lab-"))
    throw new Error(
      `--stack ${stack}: it starts with "lab-", for the bench makes and destroys a lab of its own`,
    );
  if (existsSync(stackFile(stack)))
    throw new Error(
      `the lab ${stack} is there already, and "up" is measured from nothing: ` +
        `run "npm run lab:destroy -- --stack ${stack}" first`,
    );
  const { env } = await labEnvironment();
  const image = await buildGuestImage();
  await configureLab({ stack, size, facts, image, artifact: ofBundle(bundle) });
  await createStack(env, stack);
  const { rows, up } = await measureStack({ env, directory: projectDirectory, stack }).catch(
    (error: Error) => {
      const advice = `the lab stays for a look; "npm run lab:destroy -- --stack ${stack}" takes it away`;
      throw new Error(`${error.message}\n${advice}`);
    },
  );
  await run("sh", ["toolchain/run.sh", "lab/destroy.ts", "--stack", stack], {
    cwd: projectDirectory,
    onLine: (line) => console.log(line),
  });
  const about = {
    name: size,
    subject: `the ${size} lab with ${size === "full" ? "seven" : "three"} machines${describeContainers(facts)}`,
    facts,
    date,
  };
  const result = { ...about, rows };
  const [fromNothing] = rows;
  writeFileSync(
    join(projectDirectory, `docs/images/up-${size}.svg`),
    renderTimeline(describeMachine(about), up, fromNothing?.chain ?? []),
  );
  const parts = renderParts(partsOf(up));
  const filled = renderArtifact(about, describeFilling(up, bundle));
  write(size, {
    screen: `${renderScreen(result)}\n\n${parts}\n\n${filled.screen}`,
    markdown: `${renderMarkdown(result)}\n\nParts of "up from nothing":\n\n${parts}\n\nThe artifact on its way meanwhile:\n\n${filled.markdown}`,
  });
  return 0;
}

function describeContainers(facts: HostFacts): string {
  const roles = containerRoles(facts);
  return roles.length > 0 ? ` (containers as ${roles.join(" and ")})` : "";
}

function write(section: string, shown: { readonly screen: string; readonly markdown: string }): void {
  writeFileSync(page, replaceSection(readFileSync(page, "utf8"), section, shown.markdown));
  console.log(`\n${shown.screen}\n\nwritten to docs/benchmarks.md`);
}

runMain(
  main,
  `usage: npm run bench

Measures runs from the engine's own event log (docs/benchmarks.md).`,
);
