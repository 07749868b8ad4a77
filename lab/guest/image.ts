import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { cached, contentKey, inCache } from "../../toolchain/cache";
import { asRoot, run } from "../../toolchain/commands";
import { debianSources, sourcesList, wayToTheArchive } from "../../toolchain/debian";
import type { Done, Part } from "../../toolchain/progress";

/** The lab's guest: a disk, and the kernel that boots it without a boot loader. */
export interface GuestImage {
  /** Path of the qcow2 disk: one ext4 file system, no partitions. */
  readonly disk: string;
  /** Path of the kernel. */
  readonly kernel: string;
  /** Path of the initial RAM disk. */
  readonly initrd: string;
  /** Arguments for the kernel: the disk is the first virtio one, the console the first serial port. */
  readonly commandLine: string;
  /** SHA-256 of the disk. */
  readonly sha256: string;
  /** Size of the disk as built, bytes; a machine's disk must not be smaller. */
  readonly virtualSizeBytes: number;
}

const recipe = join(__dirname, "image");

/** Release of Debian that the guests run unless they are told otherwise. */
export const defaultSuite = "bookworm";

/** What tells an image from those of other recipes and releases. */
export const imageKey = (suite: string): string => contentKey([suite], recipe);

/** Where the guest image is, if it is there already. */
export const guestImageFolder = (suite = defaultSuite): string | undefined =>
  inCache("guest", imageKey(suite));

const part: Part = { name: "guest image", minutes: 2 };

/** What {@link buildGuestImage} has to build. */
export const guestImageParts = (suite = defaultSuite): readonly Part[] =>
  guestImageFolder(suite) ? [] : [part];

/**
 * Gives the guest image, building it if the cache has none of this recipe; that takes one to two minutes
 * and downloads 100 MB of Debian packages. It may be interrupted at any moment.
 * @param suite - Code name of the release of Debian.
 * @throws CommandError with the last lines of the step that failed.
 */
export async function buildGuestImage(done: Done = () => {}, suite = defaultSuite): Promise<GuestImage> {
  const image = await cached("guest", imageKey(suite), async (directory) => {
    console.log(`building the guest image (Debian ${suite}), one to two minutes:`);
    // In a mount namespace of its own: whatever way it ends, nothing stays mounted on the host.
    const build = ["--mount", "sh", join(recipe, "build.sh"), directory, owner(), suite];
    // mmdebstrap does not look for the host's proxies and the like itself.
    const options = (await wayToTheArchive()).map((line) => `--aptopt=${line}`);
    await asRoot("unshare", [...build, ...options], {
      input: `${sourcesList(await debianSources(suite)).join("\n")}\n`,
      onLine: (line) => {
        if (/^[IWE]: /.test(line)) console.log(`  ${line.slice(3)}`);
      },
    });
    const hash = createHash("sha256");
    await pipeline(createReadStream(join(directory, "disk.qcow2")), hash);
    await writeFile(join(directory, "disk.sha256"), hash.digest("hex"));
  });
  done(part.name);
  const disk = join(image, "disk.qcow2");
  const information = JSON.parse(await run("qemu-img", ["info", "--output=json", "--force-share", disk]));
  return {
    disk,
    kernel: join(image, "vmlinuz"),
    initrd: join(image, "initrd"),
    // Guarding against a neighbour on the same processor costs an emulated machine a fifth of its speed.
    commandLine: "root=/dev/vda rw console=ttyS0 quiet mitigations=off",
    sha256: await readFile(join(image, "disk.sha256"), "utf8"),
    virtualSizeBytes: information["virtual-size"],
  };
}

const owner = () => `${process.getuid?.()}:${process.getgid?.()}`;
