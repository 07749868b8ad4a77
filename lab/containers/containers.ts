import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderMetaData, renderUserData } from "../../components/host/machine/cloud-init";
import { asRoot, run } from "../../toolchain/commands";
import { stateDirectory } from "../../toolchain/environment";
import type { GuestImage } from "../guest/image";
import { labDomain, labIdentity, labUser } from "../stack";

/** Where the disks of a lab's containers are. */
const directoryOf = (network: string): string => `/var/lib/wiab/${network}-containers`;

const script = join(__dirname, "machine.sh");

/** A machine of a lab that is a container. */
export interface Container {
  readonly name: string;
  readonly address: string;
  readonly memoryGiB: number;
  readonly diskGB: number;
}

/** Arguments of {@link startContainers}. */
export interface ContainersArgs {
  readonly stack: string;
  readonly image: GuestImage;
  readonly machines: readonly Container[];
}

/** The key that a lab logs in to its containers with. */
export const containerKey = (stack: string): string => join(stateDirectory, "containers", stack, "key");

/**
 * Starts containers of a lab that do not run, making what they lack: they are there before the stack is, as machines
 * that exist already.
 * @throws CommandError with what a container said.
 */
export async function startContainers({ stack, image, machines }: ContainersArgs): Promise<void> {
  const { network, prefix } = labIdentity(stack);
  const key = containerKey(stack);
  const folder = join(key, "..");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(key)) await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", stack, "-f", key]);
  const publicKey = await run("ssh-keygen", ["-y", "-f", key]);
  // An interface's name has at most 15 characters, and networks of two labs may begin and end alike.
  const mark = createHash("sha256").update(network).digest("hex").slice(0, 8);
  await Promise.all(
    machines.map(async (machine, index) => {
      const data = {
        name: machine.name,
        domain: labDomain(stack),
        mac: "",
        user: labUser,
        authorizedKeys: [publicKey.trim()],
      };
      const seed = join(folder, machine.name);
      mkdirSync(seed, { recursive: true });
      writeFileSync(join(seed, "user-data"), renderUserData(data));
      writeFileSync(join(seed, "meta-data"), renderMetaData(data));
      await asRoot("env", [
        ...Object.entries({
          NAME: `${network}-${machine.name}`,
          HOSTNAME: machine.name,
          DIRECTORY: join(directoryOf(network), machine.name),
          IMAGE: image.disk,
          DISK_BYTES: machine.diskGB * 1e9,
          SEED: seed,
          ADDRESS: `${machine.address}/24`,
          GATEWAY: `${prefix}.1`,
          BRIDGE: network,
          LINK: `c${index}-${mark}`,
          MEMORY_BYTES: machine.memoryGiB * 2 ** 30,
        }).map(([name, value]) => `${name}=${value}`),
        ...[script, "start"],
      ]);
    }),
  );
}

/** Makes the network of a lab without a hypervisor, as somebody else's router would be there: a bridge with this machine's address. */
export async function makeNetwork(stack: string): Promise<void> {
  const { network, prefix } = labIdentity(stack);
  if (existsSync(`/sys/class/net/${network}`)) return;
  await asRoot("ip", ["link", "add", network, "type", "bridge"]);
  await asRoot("ip", ["address", "add", `${prefix}.1/24`, "dev", network]);
  await asRoot("ip", ["link", "set", network, "up"]);
}

/** Does to one container what `machine.sh` knows, such as `cut` its power or `unplug` its cable. */
export const handle = (
  network: string,
  name: string,
  what: "cut" | "boot" | "unplug" | "plug" | "pause" | "resume" | "stop",
) =>
  asRoot("env", [`NAME=${network}-${name}`, `DIRECTORY=${join(directoryOf(network), name)}`, script, what]);

/** Ends all containers of a lab and takes them away with their disks. */
export async function stopContainers(stack: string): Promise<void> {
  const { network } = labIdentity(stack);
  const directory = directoryOf(network);
  for (const name of existsSync(directory) ? readdirSync(directory) : []) await handle(network, name, "stop");
  await asRoot("rm", ["-rf", "--one-file-system", directory]);
  // Where libvirt has made it, it is gone already with the stack.
  if (existsSync(`/sys/class/net/${network}`)) await asRoot("ip", ["link", "delete", network]);
  rmSync(join(containerKey(stack), ".."), { recursive: true, force: true });
}
