import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { buildBundle } from "../../bundle/build";
import { type ArtifactManifest, parseManifest } from "../../components/artifact/manifest";
import { withKey } from "../../lab/agent";
import { readOutputs, stackFile } from "../../lab/context";
import { RemoteMachine } from "../../lab/verify/machine";
import { type Measurement, measure } from "./measure";

/** A row of the artifact's table. */
export interface ArtifactRow {
  readonly what: string;
  readonly seconds: number;
  /** Bytes that went over the network or, for a bundle, that it has. */
  readonly bytes: number;
}

/** Arguments of {@link measureArtifact}. */
export interface ArtifactSubject {
  /** Variables of the pinned CLI's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the Pulumi project. */
  readonly directory: string;
  /** A stack of a lab that has no resources yet; it is up at the end. */
  readonly stack: string;
  /** Folder of the lab's bundle. */
  readonly bundle: string;
}

/** Measures the artifact's way from the list of what goes in to the nodes that run it. */
export async function measureArtifact(subject: ArtifactSubject): Promise<ArtifactRow[]> {
  const { env, directory, stack, bundle } = subject;
  const manifest = parseManifest(readFileSync(join(bundle, "manifest.json"), "utf8"));
  const up = () => measure({ env, directory, command: ["up", "--yes", "--skip-preview", "--stack", stack] });
  const built = await measureBuilds(join(directory, "lab/bundle.yaml"));
  const filled = describeFilling(await up(), manifest);
  const nodes = await measureDistribution(subject, manifest, up);
  return [...built, ...filled, ...nodes];
}

const sizeOf = (files: readonly { readonly size: number }[]): number =>
  files.reduce((sum, { size }) => sum + size, 0);

/** Builds the bundle twice with a cache of its own, which has nothing the first time. */
async function measureBuilds(specification: string): Promise<ArtifactRow[]> {
  const folder = mkdtempSync(join(tmpdir(), "wiab-bench-bundle-"));
  const former = process.env.WIAB_CACHE;
  process.env.WIAB_CACHE = join(folder, "cache");
  try {
    const rows: ArtifactRow[] = [];
    for (const state of ["cold", "warm"]) {
      const output = join(folder, state);
      const started = Date.now();
      await buildBundle({ specification, output });
      const { archives } = parseManifest(readFileSync(join(output, "manifest.json"), "utf8"));
      rows.push({
        what: `bundle, ${state}`,
        seconds: (Date.now() - started) / 1000,
        bytes: sizeOf(archives),
      });
    }
    return rows;
  } finally {
    if (former === undefined) delete process.env.WIAB_CACHE;
    else process.env.WIAB_CACHE = former;
    rmSync(folder, { recursive: true });
  }
}

/** What the steps that move the artifact took during `up`. */
function describeFilling({ timings }: Measurement, { archives, files }: ArtifactManifest): ArtifactRow[] {
  const secondsOf = (name: string) =>
    [...timings.seconds].find(([urn]) => urn.endsWith(`::${name}`))?.[1] ?? Number.NaN;
  const images = files.filter(({ kind }) => kind === "image");
  const packages = files.filter(({ kind }) => !["image", "other"].includes(kind));
  return [
    ["host: archives unpacked and checked", "artifact-store-archives", sizeOf(archives)],
    ["asset host: packages and binaries", "artifact-assethost-packages-files", sizeOf(packages)],
    ["asset host: image archives", "artifact-assethost-images-files", sizeOf(images)],
    ["registry: images pushed", "artifact-registry-images", sizeOf(images)],
  ].map(([what, name, bytes]) => ({
    what: what as string,
    seconds: secondsOf(name as string),
    bytes: bytes as number,
  }));
}

/** Gives all Kubernetes nodes what they run through the mirror, then every image beforehand. */
async function measureDistribution(
  { env, stack }: ArtifactSubject,
  { files }: ArtifactManifest,
  up: () => Promise<Measurement>,
): Promise<ArtifactRow[]> {
  const outputs = await readOutputs(env, stack);
  const images = files.flatMap(({ image }) => image ?? []);
  const needed = images.filter(({ set }) => set === "system").map(({ reference }) => reference);
  return withKey(outputs.sshPrivateKey, async (agent) => {
    const nodes = outputs.machines
      .filter(({ role }) => role === "kubenode")
      .map(({ name, address }) => new RemoteMachine(name, address, outputs.sshUser, agent));
    const everywhere = (script: string) => Promise.all(nodes.map((node) => node.run(script)));
    const received = async () =>
      (await everywhere("cat /sys/class/net/e*/statistics/rx_bytes")).reduce(
        (sum, text) => sum + Number(text),
        0,
      );
    const forget = () => everywhere("sudo crictl rmi --all >/dev/null 2>&1 || true");

    await forget();
    const before = await received();
    const started = Date.now();
    await everywhere(
      `set -e\nfor image in ${needed.join(" ")}; do sudo crictl pull "$image" >/dev/null; done`,
    );
    const pulled = { seconds: (Date.now() - started) / 1000, bytes: (await received()) - before };

    await forget();
    const file = stackFile(stack);
    const configuration = parse(readFileSync(file, "utf8"));
    configuration.config["wiab-staging:artifact"].seed = "all";
    writeFileSync(file, stringify(configuration));
    const empty = await received();
    const { timings } = await up();
    const seconds = Math.max(
      ...[...timings.seconds]
        .filter(([urn]) => /::runtime-[^:]*-containerd$/.test(urn))
        .map(([, value]) => value),
    );
    return [
      {
        what: `${nodes.length} nodes pull the ${needed.length} images of Kubernetes through the mirror`,
        ...pulled,
      },
      {
        what: `${nodes.length} nodes import all ${images.length} images`,
        seconds,
        bytes: (await received()) - empty,
      },
    ];
  });
}
