import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { architecture } from "../../toolchain/pins";
import type { Image } from "../specification";
import { type Entry, parentsOf, sumOf, writeTar } from "../tar";
import { recipe, type Workshop } from "../workshop";
import { type FetchedImage, recallImage, rememberImage } from "./image";

type Made = NonNullable<Image["scratch"] | Image["debian"]>;

/** Where programs are looked for unless the image says otherwise; the same as Docker's. */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** An image's configuration as the OCI image specification has it. */
export function renderConfiguration(image: Made, layers: readonly string[]): string {
  const environment = { PATH: defaultPath, ...image.environment };
  return JSON.stringify({
    created: "1970-01-01T00:00:00Z",
    architecture: architecture.go,
    os: "linux",
    config: {
      ...(image.user && { User: image.user }),
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...(image.entrypoint.length > 0 && { Entrypoint: image.entrypoint }),
      ...(image.command.length > 0 && { Cmd: image.command }),
      ...(image.workingDirectory && { WorkingDir: image.workingDirectory }),
      ...(image.ports.length > 0 && {
        ExposedPorts: Object.fromEntries(image.ports.map((port) => [port, {}])),
      }),
    },
    rootfs: { type: "layers", diff_ids: layers.map((digest) => `sha256:${digest}`) },
    history: layers.map(() => ({ created: "1970-01-01T00:00:00Z", created_by: "npm run bundle" })),
  });
}

/** The files and folders of an image, each file's content being one of `files`. */
export function layerOf(image: Made, files: ReadonlyMap<string, string>): Entry[] {
  const inLayer = (path: string) => path.replace(/^\/+|\/+$/g, "");
  return [
    ...Object.entries(image.files).map(([path, { mode }]) => ({
      path: inLayer(path),
      content: { file: files.get(path) as string },
      mode: Number.parseInt(mode, 8),
    })),
    ...Object.entries(image.directories).map(([path, { owner, mode }]) => {
      const [uid = 0, gid = 0] = owner.split(":").map(Number);
      return {
        path: inLayer(path),
        content: "directory" as const,
        mode: Number.parseInt(mode, 8),
        owner: { uid, gid },
      };
    }),
  ];
}

/**
 * Makes a docker-archive of files, on a root file system if `root` is the path of one's tar.
 * @param files paths of the files' contents by their paths in the image.
 */
export async function buildImage(
  reference: string,
  image: Made,
  files: ReadonlyMap<string, string>,
  root: string | undefined,
  workshop: Workshop,
): Promise<FetchedImage> {
  const contents = await Promise.all(
    [...files].map(async ([path, file]) => [path, (await sumOf(file)).sha256]),
  );
  const base = root && (await sumOf(root)).sha256;
  const words = ["image", reference, image, contents.sort(), base, architecture.go, recipe(__filename)];
  const directory = await workshop.part(words, (directory) =>
    workshop.limits.image.run(async () => {
      const own = layerOf(image, files);
      // On a root file system the folders above are there, with owners and modes of their own.
      const entries = root ? own : [...own, ...parentsOf(own)];
      const layers: { file: string; sha256: string }[] = root && base ? [{ file: root, sha256: base }] : [];
      const layer = join(directory, "layer.tar");
      if (entries.length > 0) layers.push({ file: layer, sha256: (await writeTar(layer, entries)).sha256 });
      const configuration = Buffer.from(
        renderConfiguration(
          image,
          layers.map(({ sha256 }) => sha256),
        ),
      );
      const digest = createHash("sha256").update(configuration).digest("hex");
      const description = [
        {
          Config: `${digest}.json`,
          RepoTags: [reference],
          Layers: layers.map(({ sha256 }) => `${sha256}.tar`),
        },
      ];
      await writeTar(join(directory, "image.tar"), [
        { path: `${digest}.json`, content: configuration },
        ...layers.map(({ file, sha256 }) => ({ path: `${sha256}.tar`, content: { file } })),
        { path: "manifest.json", content: Buffer.from(JSON.stringify(description)) },
      ]);
      rmSync(layer, { force: true });
      rememberImage(directory, { id: `sha256:${digest}`, format: "docker-archive" });
    }),
  );
  return recallImage(directory);
}
