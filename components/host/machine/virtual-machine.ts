import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../../config/plan";
import type { Configuration } from "../../config/schema";
import { bytesOfGB } from "../../config/units";
import type { Machine } from "../../machine/machine";
import { loadScript, runScript } from "../../machine/script";
import type { Host } from "../host";
import type { BaseImage } from "../image/base-image";
import { renderConsoleLog } from "../xml";
import {
  finishedMessage,
  renderHostKey,
  renderMetaData,
  renderNetworkConfig,
  renderUserData,
} from "./cloud-init";
import { lastLine, logIn } from "./login";

/** Arguments of {@link VirtualMachine}. */
export interface VirtualMachineArgs {
  readonly plan: MachinePlan;
  readonly config: Configuration;
  readonly host: Host;
  /** Directory of the host's storage pool. */
  readonly poolPath: string;
  /** An empty second disk, with the serial number that the machine sees it under. @default none */
  readonly dataDisk?: { readonly serial: string; readonly sizeGB: number } | undefined;
  /** The key pair of the machine's own SSH server. */
  readonly hostKey: { readonly privateKey: pulumi.Output<string>; readonly publicKey: pulumi.Output<string> };
  /** The stack's own key pair for its machines, in OpenSSH's formats. */
  readonly sshKey: { readonly privateKey: pulumi.Output<string>; readonly publicKey: pulumi.Output<string> };
}

/**
 * How long a machine may take to boot, in seconds: several times what was seen. Seven at once on two
 * emulated cores took about two minutes (docs/benchmarks.md).
 */
const secondsToBoot = { kvm: 300, qemu: 1200 } as const;

/**
 * A machine on the host: disk, cloud-init, address reservation, domain and its port's filter, ready when it has booted and
 * let the program in.
 *
 * What an edit does: memory, vCPUs and address make the domain anew around the same disk, which is a
 * reboot; a larger disk grows in place; a smaller one is refused; authorized keys change in place. Another
 * image concerns machines made later. The user is that of the first boot: another one cannot log in.
 */
export class VirtualMachine extends pulumi.ComponentResource {
  readonly machine: Machine;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: the resources of one machine, each of which needs those before
  constructor(name: string, args: VirtualMachineArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:VirtualMachine", name, {}, options);
    const { plan, config, host, poolPath, dataDisk, sshKey, hostKey } = args;
    const onLibvirt = { parent: this, provider: host.provider };
    const authorizedKeys = sshKey.publicKey.apply((key) => [key, ...config.ssh.authorizedKeys]);

    const [disk, grown] = growingDisk(`${name}-disk`, `${plan.name}.qcow2`, plan.diskGB, args, this, {
      baseVolumeName: host.image.volume,
      baseVolumePool: host.pool.name,
    });
    const second =
      dataDisk && growingDisk(`${name}-data-disk`, `${plan.name}-data.qcow2`, dataDisk.sizeGB, args, this);

    const cloudInit = authorizedKeys.apply((keys) => ({
      name: plan.name,
      domain: config.domain,
      mac: plan.mac,
      user: config.ssh.user,
      authorizedKeys: keys,
    }));
    // Not the provider's own resource for it: that reads the disk back over the one connection that all share,
    // which locks up when seven do so at once.
    const seedImage = `${poolPath}/${plan.name}-cloud-init.iso`;
    const seed = runScript(
      `${name}-cloud-init`,
      {
        target: host.target,
        script: loadScript(__dirname, "seed.sh"),
        parameters: {
          IMAGE: host.pool.name.apply(() => seedImage),
          USER_DATA: cloudInit.apply(renderUserData),
          HOST_KEY: pulumi
            .all([hostKey.privateKey, hostKey.publicKey])
            .apply(([privateKey, publicKey]) => renderHostKey({ privateKey, publicKey })),
          META_DATA: cloudInit.apply(renderMetaData),
          NETWORK_CONFIG: cloudInit.apply(renderNetworkConfig),
        },
        removes: true,
      },
      { parent: this },
    );

    const reservation = runScript(
      `${name}-address`,
      {
        target: host.target,
        script: loadScript(__dirname, "reserve.sh"),
        parameters: { NETWORK: host.network.name, NAME: plan.name, MAC: plan.mac, ADDRESS: plan.address },
        removes: true,
      },
      { parent: this, deletedWith: host.network },
    );

    const domain = new libvirt.Domain(
      `${name}-domain`,
      {
        name: plan.domainName,
        // With the address in it, another address makes the domain anew: the machine asks for one when it boots.
        description: `${plan.role} ${plan.name} at ${plan.address}, stack ${pulumi.getStack()}`,
        type: config.host.virtualization,
        memory: plan.memoryGiB * 1024,
        vcpu: plan.vcpus,
        // Emulated, QEMU's plain default boots quickest: richer models cost page-table isolation or emulated AVX.
        cpu: config.host.virtualization === "kvm" ? { mode: "host-passthrough" } : undefined,
        autostart: true,
        running: true,
        ...directBoot(host.image),
        disks: [
          { volumeId: disk.id },
          ...(second ? [{ volumeId: second[0].id }] : []),
          { file: seed.id.apply(() => seedImage) },
        ],
        networkInterfaces: [{ networkId: host.network.id, mac: plan.mac }],
        consoles: [{ type: "pty", targetType: "serial", targetPort: "0" }],
        xml: { xslt: renderConsoleLog(plan.consoleLog, dataDisk?.serial) },
      },
      {
        ...onLibvirt,
        // A machine that asks for an address before it is reserved would get one of the dynamic range;
        // one that starts before its disk has grown would not fill it.
        dependsOn: [reservation, grown, ...(second ? [second[1]] : [])],
        // A name can be taken only once.
        deleteBeforeReplace: true,
        // A machine whose plug was pulled is made anew around its disk, so that what waits for it to boot
        // sees a new ID and waits again.
        replaceOnChanges: ["running"],
        // They belong to the image that the disk was made of.
        ignoreChanges: ["kernel", "initrd", "cmdlines"],
      },
    );

    runScript(
      `${name}-traffic`,
      {
        target: host.target,
        script: loadScript(__dirname, "traffic.sh"),
        parameters: { DOMAIN: domain.name, DOMAIN_ID: domain.id, MAC: plan.mac, ADDRESS: plan.address },
      },
      { parent: this, deletedWith: domain },
    );

    const booted = runScript(
      `${name}-boot`,
      {
        target: host.target,
        script: loadScript(__dirname, "boot.sh"),
        parameters: {
          DOMAIN: plan.domainName,
          DOMAIN_ID: domain.id,
          ADDRESS: plan.address,
          CONSOLE: plan.consoleLog,
          FINISHED: finishedMessage(plan.name),
          HOST_KEY: hostKey.publicKey,
          SECONDS_TO_BOOT: `${secondsToBoot[config.host.virtualization]}`,
        },
        removes: true,
      },
      { parent: this },
    );

    this.machine = logIn(
      `${name}-login`,
      {
        plan,
        login: {
          user: config.ssh.user,
          port: 22,
          privateKey: sshKey.privateKey,
          hostKey: booted.stdout.apply(lastLine),
        },
        proxy: host.target.kind === "ssh" ? host.target.connection : undefined,
        booted: domain.id,
        authorizedKeys,
        sshCommand: sshCommand(plan, config),
      },
      // Data says nothing of the boot: the address is known beforehand.
      { parent: this, dependsOn: booted, deletedWith: domain },
    );
    // For the checks of later runs (components/validation/recorded.ts), whether or not the machine ever comes up.
    this.registerOutputs({ address: plan.address, role: plan.role, disk: plan.disk });
  }
}

/** A disk of a machine, and the step that brings it to its size. */
function growingDisk(
  name: string,
  file: string,
  sizeGB: number,
  { plan, host, poolPath }: VirtualMachineArgs,
  parent: pulumi.Resource,
  from: Partial<libvirt.VolumeArgs> = {},
): [libvirt.Volume, pulumi.Resource] {
  const bytes = bytesOfGB(sizeGB);
  const disk = new libvirt.Volume(
    name,
    { name: file, pool: host.pool.name, ...from, format: "qcow2", size: bytes },
    {
      parent,
      provider: host.provider,
      // Either change would replace the disk and everything on it. A larger size is the next resource's
      // work, and an existing disk keeps the image that it stands on.
      ignoreChanges: ["size", "baseVolumeName"],
      // Against whatever validation cannot see, such as a destroy, which does not run the program.
      protect: plan.disk === "keep",
      retainOnDelete: plan.disk === "aside",
    },
  );
  const grown = runScript(
    `${name}-size`,
    {
      target: host.target,
      script: loadScript(__dirname, "disk.sh"),
      parameters: {
        POOL: host.pool.name,
        POOL_PATH: poolPath,
        VOLUME: disk.name,
        DOMAIN: plan.domainName,
        BYTES: `${bytes}`,
      },
    },
    { parent, deletedWith: disk },
  );
  return [disk, grown];
}

/** The hypervisor starts the kernel itself where the image has no boot loader. */
function directBoot({ directBoot: boot }: BaseImage): Partial<libvirt.DomainArgs> {
  if (!boot) return {};
  return { kernel: boot.kernel, initrd: boot.initrd, cmdlines: splitCommandLine(boot.commandLine) };
}

/**
 * Takes a kernel command line apart as the provider does when it reads a domain back: otherwise every
 * preview would show a difference. Words without a value come last, as one under `_`.
 */
export function splitCommandLine(commandLine: string): Record<string, string>[] {
  const words = commandLine.split(/\s+/);
  const pairs = words.filter((word) => word.includes("="));
  const flags = words.filter((word) => !word.includes("=")).join(" ");
  const keyed = Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  return [...(pairs.length > 0 ? [keyed] : []), ...(flags ? [{ _: flags }] : [])];
}

function sshCommand(plan: MachinePlan, { host, ssh }: Configuration): string {
  const jump = host.ssh ? `-J ${host.ssh.user}@${host.ssh.address}:${host.ssh.port} ` : "";
  return `ssh ${jump}${ssh.user}@${plan.address}`;
}
