import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { buildBundle } from "../../bundle/build";
import { withKeys } from "../../checks/agent";
import { type ArtifactManifest, parseManifest } from "../../components/artifact/manifest";
import { keysOf, readOutputs, stackFile } from "../../lab/context";
import { RemoteMachine } from "../acceptance/verify/machine";
import type { Timings } from "./chain";
import { measure } from "./measure";

/** A row of the artifact's table. */
export interface ArtifactRow {
  readonly what: string;
  readonly seconds: number;
  /** Bytes that went over the network or, for a bundle, that it has. */
  readonly bytes: number;
}

/** A lab that is up. */
export interface LabSubject {
  /** Variables of the pinned CLI's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the Pulumi project. */
  readonly directory: string;
  readonly stack: string;
  /** Folder of the lab's bundle. */
  readonly bundle: string;
}

const sizeOf = (files: readonly { readonly size: number }[]): number =>
  files.reduce((sum, { size }) => sum + size, 0);

/** Builds a bundle twice with a cache of its own, which has nothing the first time. */
export async function measureBuilds(specification: string): Promise<ArtifactRow[]> {
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

/** What the steps that move the artifact took during an `up` from nothing. */
export function describeFilling(timings: Timings, bundle: string): ArtifactRow[] {
  const { archives, files } = manifestOf(bundle);
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

const manifestOf = (bundle: string): ArtifactManifest =>
  parseManifest(readFileSync(join(bundle, "manifest.json"), "utf8"));

/**
 * Gives all Kubernetes nodes of a lab what they run through the mirror, then every image beforehand. The lab is
 * afterwards one with `seed: all`, until the next `npm run lab`.
 */
export async function measureDistribution({
  env,
  directory,
  stack,
  bundle,
}: LabSubject): Promise<ArtifactRow[]> {
  const { files } = manifestOf(bundle);
  const outputs = await readOutputs(env, stack);
  const images = files.flatMap(({ image }) => image ?? []);
  const needed = images.filter(({ set }) => set === "system").map(({ reference }) => reference);
  return withKeys(keysOf(stack, outputs), async (agent) => {
    const nodes = outputs.machines
      .filter(({ role }) => role === "kubenode")
      .map(({ name, address }) => new RemoteMachine(name, address, outputs.sshUser, agent));
    const everywhere = (script: string) => Promise.all(nodes.map((node) => node.run(script)));
    const received = async () =>
      (await everywhere("cat /sys/class/net/e*/statistics/rx_bytes")).reduce(
        (sum, text) => sum + Number(text),
        0,
      );
    const before = await received();
    const started = Date.now();
    await everywhere(pullAnew(needed));
    const pulled = { seconds: (Date.now() - started) / 1000, bytes: (await received()) - before };

    // containerd's own list for Kubernetes still has what went by other names until it starts anew.
    await everywhere(
      "images=$(sudo ctr --namespace k8s.io images list --quiet) && " +
        "sudo ctr --namespace k8s.io images remove $images >/dev/null && sudo systemctl restart containerd",
    );
    const file = stackFile(stack);
    const text = readFileSync(file, "utf8");
    const configuration = parse(text);
    configuration.config["wiab-staging:artifact"].seed = "all";
    writeFileSync(file, stringify(configuration));
    const empty = await received();
    const { timings } = await measure({
      env,
      directory,
      command: ["up", "--yes", "--skip-preview", "--stack", stack],
    }).finally(() => writeFileSync(file, text));
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

/**
 * A script that pulls images through the node's mirror into a store of its own, which is empty: of the images that the
 * node runs its own store would fetch nothing again.
 */
const pullAnew = (images: readonly string[]): string => `sudo bash -s <<'END'
set -e
store=/var/tmp/wiab-bench
rm -rf $store
mkdir $store
cat >$store/config.toml <<TOML
version = 3
root = "$store/root"
state = "$store/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
[grpc]
address = "$store/socket"
TOML
containerd --config $store/config.toml >$store/log 2>&1 &
containerd=$!
trap 'kill $containerd; wait $containerd || true; rm -rf $store' EXIT
until ctr --address $store/socket version >/dev/null 2>&1; do sleep 0.1; done
for image in ${images.join(" ")}; do
  ctr --address $store/socket images pull --hosts-dir /etc/containerd/certs.d $image >/dev/null
done
END`;
