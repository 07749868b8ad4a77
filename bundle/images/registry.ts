import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { formatReference, isLoopback, parseReference } from "../../components/artifact/reference";
import { run } from "../../toolchain/commands";
import { architecture } from "../../toolchain/pins";
import { type Entry, writeTar } from "../tar";
import { recipe, type Workshop } from "../workshop";
import { type FetchedImage, recallImage, rememberImage } from "./image";

/** The parts of an image's manifest, or of a list of manifests, that matter here. */
interface Manifest {
  readonly mediaType?: string;
  readonly config?: { readonly digest: string };
  readonly manifests?: readonly {
    readonly digest: string;
    readonly platform?: { architecture: string; os: string };
  }[];
}

/** Media types of the OCI image specification, for manifests that do not say what they are. */
const mediaType = (manifest: Manifest): string =>
  manifest.mediaType ?? `application/vnd.oci.image.${manifest.manifests ? "index" : "manifest"}.v1+json`;

/**
 * Fetches an image from a registry with skopeo, whose passwords and settings for registries are the operator's.
 * @param reference in full, what the image is called in the bundle.
 * @param from `docker://…`, where it is.
 * @throws CommandError with what skopeo says.
 */
export async function fetchImage(reference: string, from: string, workshop: Workshop): Promise<FetchedImage> {
  const source = parseReference(from.slice("docker://".length));
  const { digest } = parseReference(reference);
  const words = ["docker", reference, formatReference(source), architecture.go, recipe(__filename)];
  const directory = await workshop.part(
    words,
    (directory) =>
      workshop.limits.image.run(async () => {
        const skopeo = (options: readonly string[], target: string) =>
          run("skopeo", [
            ...["--insecure-policy", "--override-os", "linux", "--override-arch", architecture.go],
            ...["--tmpdir", directory, "copy", "--quiet", "--retry-times", "3", ...options],
            ...(isLoopback(source) ? ["--src-tls-verify=false"] : []),
            ...[`docker://${formatReference(source)}`, target],
          ]);
        const image = join(directory, "image.tar");
        if (digest) {
          const layout = join(directory, "layout");
          mkdirSync(layout);
          // All that the digest stands for, unchanged: a registry refuses a list of which some are missing.
          await skopeo(["--all"], `dir:${layout}`);
          await packLayout(layout, reference, digest, image);
          rememberImage(directory, { id: configurationOf(layout), format: "oci-archive" });
          rmSync(layout, { recursive: true });
        } else {
          await skopeo([], `docker-archive:${image}:${reference}`);
          const [described]: { Config: string }[] = JSON.parse(
            await run("tar", ["-xOf", image, "manifest.json"]),
          );
          const id = `sha256:${described?.Config.replace(/\.json$/, "")}`;
          rememberImage(directory, { id, format: "docker-archive" });
        }
      }),
    { pinned: source.digest !== undefined },
  );
  return recallImage(directory);
}

/** Packs what skopeo has put into a folder (its `dir:` form) as an oci-archive with the manifest as it was. */
async function packLayout(layout: string, reference: string, digest: string, target: string): Promise<void> {
  const bytes = readFileSync(join(layout, "manifest.json"));
  const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (found !== digest) throw new Error(`the registry gives ${found} instead`);
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: mediaType(JSON.parse(bytes.toString())),
        digest,
        size: bytes.length,
        // Each is where one of those who import images looks for the name.
        annotations: {
          "io.containerd.image.name": reference,
          "org.opencontainers.image.ref.name": reference,
        },
      },
    ],
  };
  const blobs = readdirSync(layout).flatMap((name): Entry[] => {
    const [, hex] = /^([0-9a-f]{64})(\.manifest\.json)?$/.exec(name) ?? [];
    return hex ? [{ path: `blobs/sha256/${hex}`, content: { file: join(layout, name) } }] : [];
  });
  await writeTar(target, [
    { path: "oci-layout", content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { path: "index.json", content: Buffer.from(JSON.stringify(index)) },
    { path: `blobs/sha256/${digest.slice("sha256:".length)}`, content: bytes },
    ...blobs,
  ]);
}

/** Digest of the configuration of the image in a folder, in a list that of this architecture's. */
function configurationOf(layout: string): string {
  const read = (name: string): Manifest => JSON.parse(readFileSync(join(layout, name), "utf8"));
  const top = read("manifest.json");
  const own = top.manifests?.find(
    ({ platform }) => platform?.os === "linux" && platform.architecture === architecture.go,
  );
  if (top.manifests && !own) throw new Error(`it has no image for linux/${architecture.go}`);
  const manifest = own ? read(`${own.digest.slice("sha256:".length)}.manifest.json`) : top;
  if (!manifest.config) throw new Error("its manifest has no configuration: it is no image");
  return manifest.config.digest;
}
