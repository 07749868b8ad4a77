import { createHash } from "node:crypto";
import type { ConfigurationInput, WireRole } from "../components/config/schema";
import type { LabArtifact } from "./artifact";
import type { LabCertificate } from "./certificate";
import type { GuestImage } from "./guest/image";
import type { HostFacts } from "./host/facts";

/** How many machines a lab has: all seven, or one of each role. */
export type LabSize = "full" | "small";

/** Machines of each role with their memory in GiB; the full lab needs 13 GiB, as the seed's in small. */
const layouts: Record<LabSize, Record<WireRole, { count: number; memoryGiB: number; vcpus: number }>> = {
  full: {
    assethost: { count: 1, memoryGiB: 1, vcpus: 2 },
    kubenode: { count: 3, memoryGiB: 2, vcpus: 2 },
    datanode: { count: 3, memoryGiB: 2, vcpus: 2 },
  },
  small: {
    assethost: { count: 1, memoryGiB: 1, vcpus: 2 },
    kubenode: { count: 1, memoryGiB: 3, vcpus: 2 },
    datanode: { count: 1, memoryGiB: 3, vcpus: 2 },
  },
};

/** Where the addresses of a role begin in the network, as in Pulumi.staging.yaml. */
const firstAddress: Record<WireRole, number> = { assethost: 10, kubenode: 21, datanode: 31 };

/** Who logs in to the machines. */
export const labUser = "demo";

/** Disks are thin: they take from the host what is written to them. */
const diskGB = 20;

/** Memory in MiB that the machines of a lab need together. */
export const memoryOf = (size: LabSize): number =>
  Object.values(layouts[size]).reduce((sum, { count, memoryGiB }) => sum + count * memoryGiB * 1024, 0);

/** The size that a machine carries, and why in words. */
export function chooseSize(facts: HostFacts): { readonly size: LabSize; readonly reason: string } {
  const machine = `${facts.cpus} cores, ${Math.round(facts.memoryMiB / 1024)} GiB, ${facts.kvm ? "KVM" : "no KVM"}`;
  // Two GiB stay with the host itself.
  if (facts.memoryMiB < memoryOf("full") + 2048)
    return { size: "small", reason: `${machine}: too little memory for all seven` };
  return { size: "full", reason: `${machine}: enough for all seven` };
}

/**
 * The roles whose machines are containers instead of virtual machines, where they would be emulated on few cores: all
 * that carry more than files. The asset host is a virtual machine everywhere.
 */
export const containerRoles = ({ kvm, cpus }: HostFacts): readonly WireRole[] =>
  kvm || cpus >= 8 ? [] : ["kubenode", "datanode"];

/** What tells one lab on a machine from another: all names and addresses follow from the stack's name. */
export function labIdentity(stack: string) {
  // 192.168.230.0/24 is out of the way of libvirt's and Docker's defaults; further labs lie above it.
  const number =
    stack === "lab" ? 230 : 231 + (createHash("sha256").update(stack).digest().readUInt16BE() % 20);
  return {
    network: `wiab-${stack}`.slice(0, 15),
    prefix: `192.168.${number}`,
    // TEST-NET-2 (RFC 5737): an address that nobody has.
    publicAddress: `198.51.100.${number}`,
    publicInterface: `pub-${stack}`.slice(0, 15),
  };
}

/** The domain of a lab, which nobody else has (RFC 6761). */
export const labDomain = (stack: string): string => `${stack}.wiab.test`;

/** Arguments of {@link labConfiguration}. */
export interface LabArgs {
  readonly stack: string;
  readonly size: LabSize;
  readonly facts: HostFacts;
  readonly image: GuestImage;
  /** What everything on the machines is installed from. */
  readonly artifact: LabArtifact;
  /** Folder with its charts. */
  readonly charts: string;
  readonly certificate: LabCertificate;
  /** Private key of the machines that are containers. */
  readonly containerKey: string;
  /** Whether all machines are there before the stack is: containers, and no hypervisor anywhere. @default false */
  readonly existing?: boolean;
}

/** The configuration of a lab on this machine. */
export function labConfiguration(args: LabArgs): ConfigurationInput {
  const { stack, size, facts, artifact, charts, certificate, containerKey, existing } = args;
  const { network, prefix, publicAddress, publicInterface } = labIdentity(stack);
  const machines = (Object.keys(firstAddress) as WireRole[]).flatMap((role) => {
    const { count, memoryGiB, vcpus } = layouts[size][role];
    return Array.from({ length: count }, (_, index) => ({
      name: role === "assethost" ? role : `${role}${index + 1}`,
      role,
      address: `${prefix}.${firstAddress[role] + index}`,
      memoryGiB,
      vcpus,
      diskGB,
      ...(existing || containerRoles(facts).includes(role)
        ? { existing: { user: labUser, privateKeyFile: containerKey } }
        : {}),
    }));
  });
  return {
    domain: labDomain(stack),
    ...(existing
      ? { host: { hypervisor: "none" }, network: { name: network, cidr: `${prefix}.0/24` } }
      : machinesOf(args)),
    machines,
    artifact: { sources: [...artifact.sources] },
    tls: { certificateFile: certificate.certificateFile, privateKeyFile: certificate.privateKeyFile },
    wire: { charts: { directory: charts } },
    firewall: {
      publicAddress,
      publicInterface,
      // The machines of a lab have no way out: that they need none is part of what it shows.
      privateDeployment: true,
      ...(existing ? { gateway: {} } : { hardenInput: false }),
    },
  };
}

/** What makes the machines of a lab, where they are not there already. */
function machinesOf({
  stack,
  facts,
  image,
}: LabArgs): Pick<ConfigurationInput, "host" | "network" | "image"> {
  const { network, prefix } = labIdentity(stack);
  return {
    host: { virtualization: facts.kvm ? "kvm" : "qemu" },
    network: {
      name: network,
      cidr: `${prefix}.0/24`,
      dhcpRange: { start: `${prefix}.100`, end: `${prefix}.240` },
    },
    image: {
      source: image.disk,
      sha256: image.sha256,
      virtualSizeGB: image.virtualSizeBytes / 1e9,
      directBoot: {
        kernel: image.kernel,
        initrd: image.initrd,
        // An emulated machine takes its processors' counters for unequal and asks an emulated chip for the time instead,
        // at the price of a system call; all of them have the host's counter.
        commandLine: facts.kvm ? image.commandLine : `${image.commandLine} tsc=reliable clocksource=tsc`,
      },
    },
  };
}
