import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shellQuote } from "../../../components/machine/script";
import { buildGuestImage } from "../../../lab/guest/image";
import { run } from "../../../toolchain/commands";
import { until } from "../../fixtures/machine";
import type { Namespace } from "../verify/namespace";
import { Box } from "./box";
import type { MeshPrograms } from "./site";

/** Address of the machine, in a network of its own behind the lab's router. */
export const machineAddress = "10.1.9.2";
const routerAddress = "10.1.9.1";

const folder = "/opt/mesh";
/** Where the machine has a gateway's programs. */
export const machinePrograms: MeshPrograms = { mesh: `${folder}/mesh`, coredns: `${folder}/coredns` };

/** Seconds that an emulated machine may take to start on a busy computer. */
const patience = 600;

/**
 * The lab's guest in a virtual machine without KVM: a kernel that has WireGuard, and systemd itself. It has the gateway's programs
 * and takes root's commands by SSH.
 */
export class VirtualMachine extends Box {
  private constructor(
    network: Namespace,
    private readonly files: string,
    private readonly emulator: ChildProcess,
  ) {
    super("virtual machine", network, emulator.pid ?? 0);
  }

  static async boot(router: Namespace, programs: MeshPrograms): Promise<VirtualMachine> {
    const image = await buildGuestImage();
    const files = mkdtempSync(join(tmpdir(), "wiab-mesh-machine-"));
    const key = join(files, "key");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    const disk = join(files, "disk");
    await run("qemu-img", ["convert", "-O", "raw", image.disk, disk]);
    // In a mount namespace of its own: whatever way it ends, nothing stays mounted.
    await run("unshare", [
      "--mount",
      "bash",
      "-c",
      furnish,
      "furnish",
      files,
      programs.mesh,
      programs.coredns,
    ]);
    router.run("ip", "tuntap", "add", "dev", "to-machine", "mode", "tap");
    router.run("ip", "address", "add", `${routerAddress}/24`, "dev", "to-machine");
    router.run("ip", "link", "set", "to-machine", "up");
    const emulator = spawn(
      "ip",
      [
        ...["netns", "exec", router.name, "qemu-system-x86_64", "-accel", "tcg", "-m", "768", "-smp", "1"],
        ...["-display", "none", "-serial", `file:${join(files, "console")}`, "-monitor", "none"],
        ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", image.commandLine],
        ...["-drive", `file=${disk},format=raw,if=virtio`],
        ...["-netdev", "tap,id=net0,ifname=to-machine,script=no,downscript=no"],
        ...["-device", "virtio-net-pci,netdev=net0", "-device", "virtio-rng-pci"],
      ],
      { stdio: "ignore" },
    );
    const machine = new VirtualMachine(router, files, emulator);
    try {
      await machine.answers();
    } catch (error) {
      await machine.stop();
      throw error;
    }
    return machine;
  }

  /** Waits until it takes commands. @throws Error with what its console says */
  async answers(): Promise<void> {
    try {
      await until("the virtual machine answers", async () => (await this.try("true")).code === 0, patience);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${readFileSync(join(this.files, "console"), "utf8")}`);
    }
  }

  override spawn(...args: string[]): ChildProcess {
    const options = [
      ...["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"],
      // A machine that is gone says nothing on a connection that it had.
      ...["ServerAliveInterval=5", "ServerAliveCountMax=2"],
    ];
    return spawn(
      "ip",
      [
        ...["netns", "exec", this.network.name, "ssh", "-i", join(this.files, "key")],
        ...[...options, "BatchMode=yes", "ConnectTimeout=10"].flatMap((option) => ["-o", option]),
        ...[`root@${machineAddress}`, ["bash", ...args].map(shellQuote).join(" ")],
      ],
      { detached: true },
    );
  }

  override async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.emulator.once("close", resolve));
    if (this.emulator.exitCode === null && this.emulator.kill("SIGKILL")) await ended;
    execFileSync("ip", ["netns", "exec", this.network.name, "ip", "link", "delete", "to-machine"]);
    rmSync(this.files, { recursive: true });
  }
}

/** What the guest has besides: an address, a key for root to log in with, keys of its SSH server, and the programs. */
const furnish = `set -eu
files=$1 root=$1/root
mkdir "$root"
mount -o loop "$files/disk" "$root"
printf '[Match]\\nDriver=virtio_net\\n[Network]\\nAddress=${machineAddress}/24\\nGateway=${routerAddress}\\n' >"$root/etc/systemd/network/10-mesh.network"
install -d -m 0700 "$root/root/.ssh"
install -m 0600 "$files/key.pub" "$root/root/.ssh/authorized_keys"
ssh-keygen -q -A -f "$root"
# It has no seed disk, which cloud-init would wait for.
ln -sf /dev/null "$root/etc/systemd/system/cloud-init-main.service"
echo 'nameserver ${routerAddress}' >"$root/etc/resolv.conf"
install -d "$root${folder}"
install -m 0755 "$2" "$root${machinePrograms.mesh}"
install -m 0755 "$3" "$root${machinePrograms.coredns}"
umount "$root"
rmdir "$root"
`;
