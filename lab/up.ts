import { asOwner } from "../cli/deployment";
import { warnOfHost } from "../cli/host-look";
import { recover } from "../cli/recover";
import { runMain } from "../toolchain/commands";
import { toolchainParts } from "../toolchain/install";
import { minutesOf, type Part, Progress } from "../toolchain/progress";
import { createStack, pulumi } from "../toolchain/pulumi";
import { table } from "../toolchain/table";
import { ofBundle, wireArtifact, wireParts } from "./artifact";
import { buildLabBundle, bundleParts } from "./bundle";
import { certificateIn } from "./certificate";
import { configured, configureLab } from "./configure";
import { certificateFolder, type LabOutputs, labEnvironment, readOptions, readOutputs } from "./context";
import { writeFormerList } from "./former/list";
import { buildGuestImage, defaultSuite, guestImageParts } from "./guest/image";
import { hostFacts } from "./host/facts";
import { prepareHost } from "./host/prepare";
import { chooseSize, containerRoles } from "./stack";
import { wireSuite } from "./wire/archive";

/** `npm run lab`: brings the lab up, from whatever state this machine and a former run are in. */
async function main(): Promise<number> {
  const options = readOptions();
  const { stack, former } = options;
  const wire = options.artifact === "wire";
  const suite = wire ? wireSuite() : defaultSuite;
  await prepareHost();
  const list = former ? writeFormerList() : undefined;
  const progress = announce({
    "the Pulumi toolchain, where it cannot be fetched": toolchainParts(),
    "the system of the machines": guestImageParts(suite),
    "the bundle that everything on them comes from": wire ? wireParts() : bundleParts(list),
  });
  const done = (name: string) => progress.done(name);
  progress.start();
  const [{ env, home }, image, artifact] = await sideBySide(
    labEnvironment(done),
    buildGuestImage(done, suite),
    wire ? wireArtifact(done) : buildLabBundle(list, done).then(ofBundle),
  );
  progress.stop();

  const facts = await hostFacts("/var/lib/libvirt/images");
  const before = configured(stack);
  const existing = options.existing || (before?.existing ?? false);
  const kept = options.size ? undefined : before?.size;
  const { size, reason } = options.size
    ? { size: options.size, reason: "as asked for" }
    : kept
      ? { size: kept, reason: "as it was made" }
      : chooseSize(facts);
  console.log(`size of the lab: ${size} (${reason}; --size full|small overrides)`);
  const roles = containerRoles(facts);
  if (existing)
    console.log("all machines are containers that are there before the stack is (docs/existing.md)");
  else if (roles.length > 0)
    console.log(
      `containers take the place of virtual machines as ${roles.join(" and ")}: emulated on ${facts.cpus} cores those would not hold (docs/lab.md)`,
    );
  await configureLab({ stack, size, facts, image, artifact, existing });

  await createStack(env, stack);
  await warnOfHost(env, stack);
  const code = await asOwner(env, stack, async () => {
    for (const line of await recover(env, home, stack, async () => true)) console.log(line);
    return pulumi(env, ["up", "--yes", "--skip-preview", "--stack", stack, "--suppress-outputs"]);
  });
  if (code !== 0) {
    console.error(
      `\nThe lab is not complete. "npm run lab" goes on from here; "npm run lab:destroy" takes it away.`,
    );
    return code;
  }
  showOutputs(stack, await readOutputs(env, stack));
  return 0;
}

/**
 * Waits for works that share a machine: while one downloads or links, another compiles.
 * @throws what the first of those that failed has thrown, once the others have ended and are kept.
 */
async function sideBySide<A, B, C>(...works: [Promise<A>, Promise<B>, Promise<C>]): Promise<[A, B, C]> {
  await Promise.allSettled(works);
  return Promise.all(works);
}

/** Minutes that the deployment of a full lab takes on two cores without KVM; a small one takes less. */
const deployment: Part = { name: "deployment", minutes: 11 };

/** Says what will be done and how long it takes, with what the cache has. */
function announce(groups: Readonly<Record<string, readonly Part[]>>): Progress {
  const all = [...Object.values(groups).flat(), deployment];
  const rows = Object.entries({ ...groups, "the deployment": [deployment] })
    .filter(([, parts]) => parts.length > 0)
    .map(([what, parts]) => [what, `${Math.ceil(minutesOf(parts))}`]);
  console.log(`What will be done, with minutes as measured on two cores without KVM:\n`);
  console.log(`${table(["", "minutes"], [...rows, ["in all", `${Math.ceil(minutesOf(all))}`]])}\n`);
  return new Progress(all);
}

function showOutputs(stack: string, outputs: LabOutputs): void {
  const { assets, machines, publicAddress, publicPorts } = outputs;
  const suffix = stack === "lab" ? "" : ` -- --stack ${stack}`;
  console.log(
    `\nThe lab is up: ${machines.length} machines behind ${publicAddress} (an address of this machine alone).\n`,
  );
  console.log(
    table(
      ["machine", "role", "address", "memory", "vCPUs", "disk"],
      machines.map((m) => [m.name, m.role, m.address, `${m.memoryGiB} GiB`, `${m.vcpus}`, `${m.diskGB} GB`]),
    ),
  );
  console.log(
    `\nEverything on them came from ${assets.url}, images from the registry at ${assets.registry}.\n\n${table(
      ["public port", "goes to"],
      publicPorts.map(({ protocol, ports, target }) => [`${ports}/${protocol}`, target]),
    )}`,
  );
  if (outputs.wire)
    console.log(
      `\nThe page: ${outputs.wire.urls.webapp}, for a browser on this machine that trusts\n` +
        `${certificateIn(certificateFolder(stack)).authorityFile} and takes the name for ${publicAddress}. Stand-ins run in place of Wire (docs/lab.md).`,
    );
  console.log(`
What to try next:

${table(
  ["command", ""],
  [
    [`npm run lab:verify${suffix}`, "look at it from outside, one line a check"],
    [`npm run lab:ssh -- ${stack === "lab" ? "" : `--stack ${stack} `}kubenode1`, "log in to a machine"],
    [`npm run pulumi -- preview --stack ${stack}`, 'what another "up" would change: nothing'],
    [`npm run lab:destroy${suffix}`, "leave nothing behind"],
  ],
)}`);
}

runMain(
  main,
  `usage: npm run lab -- [--stack lab] [--size full|small] [--former] [--existing]

Brings a lab up on this machine: seven machines, or one of each role (small). Without --size it chooses, and says why.
--former gives it the Kubernetes that upgrades begin with; --existing makes all machines containers that are there before the
stack is (docs/existing.md).`,
);
