import { existsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { asRoot, run } from "../../toolchain/commands";
import { osRelease } from "./facts";
import { describeStart, libvirtAnswers, startLibvirt } from "./libvirt";
import { hostPackages, installPackages, missingPackages } from "./packages";

/** The distributions that the lab is tried on, as os-release(5) names them. */
const supported: Readonly<Record<string, readonly string[]>> = {
  debian: ["12"],
  ubuntu: ["22.04", "24.04"],
};

/** Thing to do to the machine, in the words in which it is announced, and how. */
interface Step {
  readonly announcement: string;
  readonly act: () => Promise<void>;
}

/**
 * Makes this machine able to run the lab: packages and libvirt. Says what it will do before it does it;
 * on a machine that has everything it prints one line. Other networks, other packages and the
 * firewall stay as they are.
 * @throws Error when the distribution is another than Debian 12, Ubuntu 22.04 or 24.04.
 */
export async function prepareHost(): Promise<void> {
  const release = osRelease();
  const os = release.PRETTY_NAME ?? "an unknown system";
  if (!supported[release.ID ?? ""]?.includes(release.VERSION_ID ?? "")) {
    throw new Error(
      `The lab prepares Debian 12, Ubuntu 22.04 and Ubuntu 24.04 machines; this one is ${os}. ` +
        "Run it on one of those, for instance in a virtual machine with 4 processors and 16 GiB.",
    );
  }

  const steps = await plan(release.ID === "ubuntu");
  if (steps.length > 0) {
    console.log(`This machine (${os}) lacks something that the lab needs. What will be done:`);
    for (const { announcement } of steps) console.log(`  - ${announcement}`);
    for (const { act } of steps) await act();
    if (!(await libvirtAnswers())) throw new Error(noAnswerAdvice());
  }
  const [, qemu] =
    /hypervisor: QEMU ([\d.]+)/.exec(await run("virsh", ["-c", "qemu:///system", "version"])) ?? [];
  console.log(`host ready: ${os}, libvirt with QEMU ${qemu ?? "of unknown version"}`);
}

/** What is left to do, in order; empty on a prepared machine. */
async function plan(ubuntu: boolean): Promise<Step[]> {
  const steps: Step[] = [];
  const missing = await missingPackages(Object.keys(hostPackages));
  if (missing.length > 0) {
    const uses = missing.map((name) => `      ${name}: ${hostPackages[name]}`);
    if (ubuntu && missing.includes("libvirt-daemon-system")) {
      uses.push("      (Ubuntu's libvirt brings a network named `default`, which it starts itself)");
    }
    steps.push({
      announcement: `install these packages with apt-get:\n${uses.join("\n")}`,
      act: () => installPackages(missing, showPackageProgress),
    });
  }
  if (kvmDeviceIsRootsAlone()) {
    steps.push({
      announcement: "give /dev/kvm the group and mode that udev would (root:kvm 0660), or libvirt is slow",
      act: async () => {
        await asRoot("chown", ["root:kvm", "/dev/kvm"]);
        await asRoot("chmod", ["0660", "/dev/kvm"]);
      },
    });
  }
  if (missing.length > 0 || !(await libvirtAnswers())) {
    steps.push({ announcement: `start ${describeStart()}`, act: startLibvirt });
    if (process.getuid?.() !== 0) {
      const user = userInfo().username;
      steps.push({
        announcement: `put ${user} into the group libvirt, whose members may manage virtual machines`,
        act: async () => void (await asRoot("usermod", ["--append", "--groups", "libvirt", user])),
      });
    }
  }
  return steps;
}

/**
 * Whether /dev/kvm is there for root alone, as on a machine without udev. libvirt then probes QEMU as
 * root with KVM, checks as QEMU's own user without, and throws away what it learnt at every call.
 */
function kvmDeviceIsRootsAlone(): boolean {
  return (
    !existsSync("/run/udev/control") &&
    existsSync("/dev/kvm") &&
    (statSync("/dev/kvm").mode & 0o060) !== 0o060
  );
}

function showPackageProgress(line: string): void {
  if (/^(\d+ upgraded,|Fetched|[EW]:|apt-get update:)/.test(line)) console.log(`    ${line}`);
}

function noAnswerAdvice(): string {
  return (
    `libvirt runs but does not answer ${userInfo().username} yet. ` +
    "Membership of the group libvirt counts from the next login: log in again (or run `newgrp libvirt`) " +
    "and run `npm run lab` once more; it goes on from here."
  );
}
