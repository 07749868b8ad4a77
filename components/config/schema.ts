import { z } from "zod";
import { artifact } from "./artifact-schema";
import { backup } from "./backup-schema";
import { callingSettings } from "./calling-schema";
import { dataServices } from "./data-services-schema";
import { firewall } from "./firewall-schema";
import { ipv4, ipv4Network, path, port, serverAddress } from "./forms";
import { kubernetes } from "./kubernetes-schema";
import { mesh } from "./mesh-schema";
import { account, hostKey, hostSsh } from "./ssh-schema";
import { wasimoff } from "./wasimoff-schema";
import { wickr } from "./wickr-schema";
import { features, tls, wire } from "./wire-schema";

/**
 * The configuration of a stack: every key of `Pulumi.<stack>.yaml` below the project's namespace. It is closed (an unknown key
 * is an error), and every default is that of the deployment guide (`offline/wiab-staging.md` of wireapp/wire-server-deploy) or,
 * where that leaves it open, of its playbooks. `docs/configuration.md` and `docs/configuration.schema.json` are made from it.
 */

const hostName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a host name: at most 63 lower-case letters, digits and hyphens, with a letter first and no hyphen last",
  );

const sha256 = z
  .string()
  .regex(
    /^[0-9a-f]{64}$/,
    "must be a SHA-256 checksum: 64 hexadecimal digits in lower case, and nothing beside them",
  );

const domainName = z
  .string()
  .regex(
    /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a domain name such as wire.example.com: in lower case, two labels or more of at most 63 letters, digits and hyphens, and without a trailing dot",
  )
  .describe("The domain below which all of Wire's host names lie, for example `wire.example.com`.");

const ssh = z.strictObject({
  user: z
    .string()
    .regex(
      /^[a-z_][a-z0-9_-]{0,31}$/,
      "must be a user name: at most 32 lower-case letters, digits, hyphens and underscores, with no digit or hyphen first",
    )
    .default("demo")
    .describe("The user that cloud-init creates on every machine, with sudo."),
  authorizedKeys: z
    .array(
      // What is wrong with a line is the rules' to say (validation/ssh-keys.ts).
      z.string(),
    )
    .default([])
    .describe("Public keys that may log in besides the stack's own key (output `sshPrivateKey`)."),
});

/** Where the workstation keeps the keys of hosts, in the operator's home folder. */
export const knownHostsFile = ".ssh/known_hosts";

const capacity = z.strictObject({
  memoryGiB: z.number().positive().describe("Memory that the machines may use together, in GiB."),
  vcpus: z.int().positive().describe("Threads of the CPU. More vCPUs than that is a warning, not an error."),
  diskGB: z.number().positive().describe("Free space for the machines' disks, in GB (10⁹ bytes)."),
});

const host = z.strictObject({
  ssh: hostSsh
    .optional()
    .describe("How to reach the host. Without it the host is the machine that runs the program."),
  hypervisor: z
    .enum(["libvirt", "none"])
    .default("libvirt")
    .describe(
      "What makes the machines. `none`: all of them exist already (docs/existing.md); the host unpacks the artifact and sends it to the asset host, and has neither machines nor a network of theirs.",
    ),
  virtualization: z
    .enum(["kvm", "qemu"])
    .default("kvm")
    .describe("`kvm` for hardware virtualization, `qemu` for software emulation (8 to 9 times slower)."),
  poolPath: path
    .regex(/^\//, "must be an absolute path")
    .optional()
    .describe(
      "Directory on the host for the machines' disks, made by the stack. Default: `/var/lib/libvirt/images/<network.name>`.",
    ),
  capacity: capacity
    .optional()
    .describe(
      "What the host has, so that machines that do not fit are refused without connecting to it. The preflight checks the real host in any case.",
    ),
});

/** What the deployment's objects on the host are named after, and the folder of its record there. */
export const networkName = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,14}$/,
    "must be at most 15 lower-case letters, digits and hyphens, a letter first: the bridge and the firewall table are named after it",
  );

const network = z.strictObject({
  name: networkName
    .default("wirebox")
    .describe(
      "Name of the libvirt network; its bridge, the storage pool, the firewall's table and the domains' prefix are named after it.",
    ),
  cidr: ipv4Network
    .default("192.168.122.0/24")
    .describe("The machines' network. Its first address is the host's."),
  dhcpRange: z
    .strictObject({
      start: ipv4.describe("First dynamic address."),
      end: ipv4.describe("Last dynamic address."),
    })
    .default({ start: "192.168.122.100", end: "192.168.122.240" })
    .describe("Addresses given out dynamically; the machines' own are reserved and must lie outside."),
  timeServer: serverAddress
    .optional()
    .describe(
      "NTP server of machines that exist already and keep no time by themselves. The machines of a hypervisor ask the host.",
    ),
});

const keysOf = (commandLine: string): string[] =>
  commandLine.split(/\s+/).flatMap((word) => (word.includes("=") ? word.slice(0, word.indexOf("=")) : []));

const image = z.strictObject({
  source: z
    .string()
    .regex(/^(https?:\/\/|\/)/, "must be an http(s) URL or an absolute path on the KVM host")
    .describe(
      "The guests' disk image (qcow2): a URL that the host fetches, or an absolute path on the host. Not a minimal one.",
    ),
  sha256: sha256.optional().describe("Checksum of the image. Required for a URL."),
  virtualSizeGB: z
    .number()
    .positive()
    .describe("Size of the disk in the image, in GB (10⁹ bytes): no machine's disk may be smaller."),
  directBoot: z
    .strictObject({
      kernel: path.describe("Kernel, an absolute path on the host."),
      initrd: path.describe("Initial RAM disk, an absolute path on the host."),
      commandLine: z
        .string()
        .refine((text) => new Set(keysOf(text)).size === keysOf(text).length, "must have each key once")
        .describe("Kernel command line."),
    })
    .optional()
    .describe("For an image without a boot loader: the kernel that the hypervisor starts itself."),
});

/** Roles of the deployment guide. */
export const wireRoles = ["assethost", "kubenode", "datanode"] as const;

/** All roles: Wire's, and that of the machine that Wickr has for itself. */
export const roles = [...wireRoles, "wickr"] as const;

/** What can become of a machine's disk when the machine goes. */
export const dispositions = ["keep", "aside", "release"] as const;

/**
 * What one machine can have: QEMU's processors of its type q35 (6.2, Ubuntu 22.04), 4 TiB, and a file of 16 TiB, which is the
 * most that ext4 has on the host.
 */
const most = { vcpus: 288, memoryGiB: 4096, diskGB: 17_592 } as const;

const machine = z.strictObject({
  name: hostName.describe("Host name; RabbitMQ and Kubernetes know the machine by it."),
  role: z
    .enum(roles)
    .describe(
      "`assethost`, `kubenode` (control plane and worker), `datanode` (all five data services), or `wickr` (docs/wickr.md).",
    ),
  address: ipv4.describe("Fixed address: reserved in the network, or that of an existing machine."),
  memoryGiB: z.number().min(0.25).max(most.memoryGiB).multipleOf(0.0625).describe("Memory in GiB."),
  vcpus: z.int().min(1).max(most.vcpus).describe("Virtual CPUs."),
  diskGB: z
    .number()
    .positive()
    .max(most.diskGB)
    .describe("Size of the disk in GB (10⁹ bytes), thin: taken from the host as it fills."),
  zone: z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/,
      "must be at most 32 lower-case letters, digits and hyphens, with no hyphen first or last",
    )
    .optional()
    .describe(
      "What fails together with others of the same zone: a rack, a room, a hypervisor. Cassandra's rack, and Kubernetes' `topology.kubernetes.io/zone`, by which pods are spread.",
    ),
  retiring: z
    .boolean()
    .default(false)
    .describe(
      "A datanode or kubenode that gives what it has to the others; in a later run it may be taken out of the list.",
    ),
  disk: z
    .enum(dispositions)
    .default("keep")
    .describe(
      "What becomes of the machine's disk when the machine goes. `keep`: previews refuse every edit that would delete it. `release`: it is deleted. `aside`: the file stays in the pool, and a machine of that name that is added later takes it up. It counts from the next `up` on: the machine can go in a later one.",
    ),
  existing: z
    .strictObject({
      user: account.describe("SSH user, root or one who may use `sudo` without a password."),
      port: port.default(22).describe("TCP port of its SSH server."),
      privateKeyFile: path
        .optional()
        .describe("Private key file on the workstation. Without it the SSH agent's keys are used."),
      hostKey: hostKey
        .optional()
        .describe(
          "The machine's key, `/etc/ssh/ssh_host_ed25519_key.pub` there. Without it whoever is between can take its place.",
        ),
    })
    .optional()
    .describe("The machine is there already: it is used as it is and no domain is made for it."),
});

const seedMachine = (role: WireRole, name: string, address: string) => ({
  name,
  role,
  address,
  retiring: false,
  disk: "keep" as const,
  ...{
    assethost: { memoryGiB: 4, vcpus: 2, diskGB: 100 },
    kubenode: { memoryGiB: 7, vcpus: 5, diskGB: 50 },
    datanode: { memoryGiB: 12, vcpus: 4, diskGB: 100 },
  }[role],
});

/** The seven machines of the deployment guide's table: 61 GiB, 29 vCPUs, 550 GB. */
export const seedMachines = [
  seedMachine("assethost", "assethost", "192.168.122.10"),
  seedMachine("kubenode", "kubenode1", "192.168.122.21"),
  seedMachine("kubenode", "kubenode2", "192.168.122.22"),
  seedMachine("kubenode", "kubenode3", "192.168.122.23"),
  seedMachine("datanode", "datanode1", "192.168.122.31"),
  seedMachine("datanode", "datanode2", "192.168.122.32"),
  seedMachine("datanode", "datanode3", "192.168.122.33"),
];

const calling = z.strictObject({
  ...callingSettings,
  node: hostName.optional().describe("Name of the kubenode that carries calling. Default: the last one."),
});

const mail = z.strictObject({
  sender: z
    .email({ error: "must be a mail address such as wire@example.com" })
    .optional()
    .describe("Address that Wire's mail comes from. Default: `wire@<domain>`."),
  relay: z
    .strictObject({
      host: serverAddress.describe("Name or address of the SMTP server."),
      port: port.default(587).describe("TCP port of the SMTP server."),
      username: z.string().min(1).optional().describe("User to log in as."),
      password: z
        .string()
        .min(1)
        .optional()
        .meta({ secret: true })
        .describe(
          "Password of that user. Secret: `pulumi config set --secret --path 'mail.relay.password'`.",
        ),
    })
    .optional()
    .describe("An SMTP server that takes the mail. Without it the bundled relay delivers by itself."),
});

/** All configuration keys of a stack. */
export const configurationSchema = z.strictObject({
  domain: domainName,
  host: host.prefault({}).describe("The KVM host; without a hypervisor, the machine that has the artifact."),
  network: network.prefault({}).describe("The libvirt network of the machines (forward mode `open`)."),
  image: image
    .optional()
    .describe(
      "The operating system of the machines (the deployment guide has Ubuntu 22.04). Required where a hypervisor makes them.",
    ),
  machines: z
    .array(machine)
    .default(seedMachines)
    .describe("The machines. Default: the seven of the deployment guide."),
  ssh: ssh.prefault({}).describe("Access to the machines."),
  firewall: firewall.describe("The host's firewall."),
  artifact: artifact
    .optional()
    .describe(
      "The offline artifact that everything on the machines is installed from. Without it the machines are made and nothing is put on them.",
    ),
  dataServices: dataServices
    .prefault({})
    .describe("Cassandra, PostgreSQL, Elasticsearch, MinIO and RabbitMQ on the datanodes."),
  backup: backup.prefault({}).describe("Backups of the data services and of etcd."),
  kubernetes: kubernetes.prefault({}).describe("The Kubernetes cluster on the kubenodes."),
  calling: calling.prefault({}).describe("Voice and video calling."),
  mail: mail.prefault({}).describe("Outgoing mail."),
  tls: tls
    .prefault({})
    .describe("The certificate of the public host names: the operator's own, or Let's Encrypt's."),
  features: features.prefault({}).describe("What of Wire is switched on."),
  wire: wire.prefault({}).describe("Wire's Helm charts."),
  mesh: mesh
    .optional()
    .describe("The mesh that joins this site to others (docs/mesh.md). Without it the site is on its own."),
  wasimoff: wasimoff
    .optional()
    .describe("WebAssembly jobs that browsers run (docs/wasimoff.md). Without it there is none of it."),
  wickr: wickr
    .optional()
    .describe(
      "A machine for Wickr Enterprise, NIAP version, beside Wire or alone (docs/wickr.md): the one with the role `wickr`.",
    ),
});

/** A stack's configuration, checked and with all defaults filled in. */
export type Configuration = z.output<typeof configurationSchema>;
/** What a `Pulumi.<stack>.yaml` may hold. */
export type ConfigurationInput = z.input<typeof configurationSchema>;
export type MachineConfiguration = Configuration["machines"][number];
/** The guests' image. */
export type ImageConfiguration = z.output<typeof image>;
export type Disposition = (typeof dispositions)[number];
export type Role = (typeof roles)[number];
export type WireRole = (typeof wireRoles)[number];
