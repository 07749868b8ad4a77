import { createHash } from "node:crypto";
import { isIPv4 } from "node:net";
import { gatewayOf } from "./addresses";
import { type MeshPlan, type MeshSurroundings, planMesh } from "./mesh";
import { hostNames, publicNames } from "./names";
import { callingPorts, ingressNodePorts } from "./ports";
import type { Configuration, ImageConfiguration, MachineConfiguration } from "./schema";
import { bytesOfGB } from "./units";
import { planWasimoff, type WasimoffPlan, wasimoffHost } from "./wasimoff";
import { transportPort } from "./wasimoff-eras";
import { hasWire, planWickr, type WickrPlan, wickrPorts } from "./wickr";

/** A machine with all that follows from its name and network. */
export interface MachinePlan extends MachineConfiguration {
  /** Name of its libvirt domain; the machine itself knows only `name`. */
  readonly domainName: string;
  /** Fixed MAC address, so that the address reservation holds whatever becomes of the domain. */
  readonly mac: string;
  /** File on the host that takes the serial console's output. */
  readonly consoleLog: string;
}

/** A DNS record that the operator has to create. */
export interface DnsRecord {
  readonly name: string;
  readonly type: "A" | "TXT" | "SRV";
  readonly value: string;
}

/** A public port and where the host's firewall sends it. */
export interface PublicPort {
  readonly protocol: "tcp" | "udp";
  readonly ports: string;
  readonly target: string;
}

/** Where the machines are, as the firewall tells their packets from others. */
export type Inside =
  | { readonly kind: "bridge"; readonly bridge: string; readonly network: string }
  /** Somewhere behind whatever carries the firewall, known by their IPv4 addresses. */
  | { readonly kind: "routed"; readonly addresses: readonly string[] };

/** The firewall before the machines. */
export interface FirewallPlan {
  /** Where it is made; `nowhere`: its rules are an output. */
  readonly place: "host" | "gateway" | "nowhere";
  readonly inside: Inside;
  /** Whether whatever carries it refuses what is sent to itself. */
  readonly hardenInput: boolean;
  /** TCP port of the SSH server of whatever carries it. */
  readonly sshPort: number;
}

/** Everything that can be said of a deployment before it exists. */
export interface Plan {
  /** What makes the machines; undefined where all of them exist already. */
  readonly hypervisor: { readonly image: ImageConfiguration } | undefined;
  readonly firewall: FirewallPlan;
  readonly machines: readonly MachinePlan[];
  /** Those of them that are Wire's. */
  readonly wireMachines: readonly MachinePlan[];
  readonly kubenodes: readonly MachinePlan[];
  /** Those of them that do not retire: what clients send goes to them. */
  readonly servingKubenodes: readonly MachinePlan[];
  readonly datanodes: readonly MachinePlan[];
  /** Not there in a stack that has nothing of Wire's, where nothing reads it. */
  readonly assethost: MachinePlan;
  /** The kubenode that carries calling; undefined where calling is off. */
  readonly callingNode: MachinePlan | undefined;
  /** The host's address in the network of the machines that it makes; undefined where it makes none. */
  readonly gateway: string | undefined;
  /** Whether Kubernetes nodes are emulated in software, which takes patience. */
  readonly emulated: boolean;
  /** Directory and pool of the machines' disks. */
  readonly poolPath: string;
  /** What the machines that the stack makes need together. */
  readonly demand: {
    readonly machines: number;
    readonly memoryMiB: number;
    readonly vcpus: number;
    readonly diskBytes: number;
  };
  readonly dnsRecords: readonly DnsRecord[];
  readonly publicPorts: readonly PublicPort[];
  /** Whether the stack is the gateway of a mesh and nothing else. */
  readonly gatewayAlone: boolean;
  /** Undefined where the site is on its own. */
  readonly mesh: (MeshPlan & { readonly machine: MachinePlan }) | undefined;
  /** Undefined where there is no Wasimoff. */
  readonly wasimoff: WasimoffPlan | undefined;
  /** Undefined in a stack without Wickr. */
  readonly wickr: (WickrPlan & { readonly machine: MachinePlan }) | undefined;
}

/** Works out a checked configuration. Pure: the same configuration gives the same plan. */
export function planDeployment(config: Configuration): Plan {
  const machines = config.machines.map((machine) => planMachine(config.network.name, machine));
  const withRole = (role: string) => machines.filter((machine) => machine.role === role);
  const kubenodes = withRole("kubenode");
  const servingKubenodes = kubenodes.filter(({ retiring }) => !retiring);
  const own = ownMachines(config);
  // The rules have seen to it that there is an image where machines are made.
  const hypervisor =
    config.host.hypervisor === "libvirt" && config.image ? { image: config.image } : undefined;
  // The rules have seen to it that the gateway is a machine.
  const gateway = machines.find(({ name }) => name === config.mesh?.gateway);
  const mesh = config.mesh &&
    gateway && { ...planMesh(config.mesh, meshSurroundings(config)), machine: gateway };
  const wasimoff =
    config.wasimoff &&
    planWasimoff(
      config.wasimoff,
      config.domain,
      servingKubenodes.map(({ name }) => name),
    );
  const forWickr = withRole("wickr")[0];
  const wickr = config.wickr &&
    forWickr && { ...planWickr(config.wickr, forWickr, config.firewall), machine: forWickr };
  const callingNode = config.calling.enabled
    ? (servingKubenodes.find(({ name }) => name === config.calling.node) ?? servingKubenodes.at(-1))
    : undefined;
  return {
    machines,
    wireMachines: machines.filter(({ role }) => role !== "wickr"),
    kubenodes,
    servingKubenodes,
    datanodes: withRole("datanode"),
    // The rules have seen to it that there is exactly one in a stack that has anything of Wire's.
    assethost: withRole("assethost")[0] as MachinePlan,
    callingNode,
    hypervisor,
    firewall: planFirewall(config),
    gateway: hypervisor && gatewayOf(config.network.cidr),
    // A machine that exists already is as quick as it is.
    emulated: config.host.virtualization === "qemu" && kubenodes.some((machine) => !machine.existing),
    poolPath: config.host.poolPath ?? `/var/lib/libvirt/images/${config.network.name}`,
    demand: {
      machines: own.length,
      memoryMiB: own.reduce((sum, { memoryGiB }) => sum + memoryGiB * 1024, 0),
      vcpus: own.reduce((sum, { vcpus }) => sum + vcpus, 0),
      diskBytes:
        own.reduce((sum, { diskGB }) => sum + bytesOfGB(diskGB), 0) +
        (wickr?.forwarded ? bytesOfGB(wickr.disk.sizeGB) : 0),
    },
    gatewayAlone: isGatewayAlone(config),
    dnsRecords: [
      ...(hasWire(config) ? planDnsRecords(config) : []),
      ...(wickr ? planWickrRecords(wickr) : []),
    ],
    publicPorts: [
      ...(hasWire(config)
        ? planPublicPorts(servingKubenodes, callingNode, config.calling.firstMediaPort)
        : []),
      // On another address than the host's own they are none of the host's.
      ...(wickr?.forwarded?.address === config.firewall.publicAddress ? planWickrPorts(wickr) : []),
      ...(mesh ? planMeshPorts(mesh) : []),
      ...(wasimoff?.transport ? (["tcp", "udp"] as const) : []).map((protocol) => ({
        protocol,
        ports: `${transportPort.public}`,
        target: `${servingKubenodes.map(({ address }) => address).join(", ")} port ${transportPort.node}`,
      })),
    ],
    mesh,
    wasimoff,
    wickr,
  };
}

/** Whether a stack has the one machine that is the gateway of a mesh, and neither Kubernetes nor data services. */
export const isGatewayAlone = ({
  mesh,
  machines,
}: Pick<Configuration, "machines"> & Partial<Pick<Configuration, "mesh">>): boolean =>
  mesh !== undefined && machines.length === 1 && machines[0]?.role === "assethost";

/** What of a stack its peers in a mesh may reach, and who reaches them. */
export const meshSurroundings = ({
  firewall,
  machines,
  kubernetes,
}: Pick<Configuration, "firewall" | "machines" | "kubernetes">): MeshSurroundings => ({
  publicAddress: firewall.publicAddress,
  // Who may reach Wickr's is said with Wickr.
  machines: machines.filter(({ role }) => role !== "wickr"),
  ingress: machines.flatMap(({ role, retiring, address }) =>
    role === "kubenode" && !retiring ? [address] : [],
  ),
  ...(machines.some(({ role }) => role === "kubenode") && { pods: kubernetes.podCidr }),
});

/** The machines that the stack makes, without those that exist already. */
export const ownMachines = ({ machines }: Pick<Configuration, "machines">): MachineConfiguration[] =>
  machines.filter((machine) => !machine.existing);

function planFirewall({ host, network, firewall, machines }: Configuration): FirewallPlan {
  const { gateway, rules, hardenInput } = firewall;
  if (host.hypervisor === "libvirt")
    return {
      place: "host",
      inside: { kind: "bridge", bridge: network.name, network: network.cidr },
      hardenInput: hardenInput ?? true,
      sshPort: host.ssh?.port ?? 22,
    };
  return {
    place: rules === "output" ? "nowhere" : "gateway",
    inside: { kind: "routed", addresses: machines.map(({ address }) => address) },
    hardenInput: hardenInput ?? false,
    sshPort: (gateway?.ssh ?? host.ssh)?.port ?? 22,
  };
}

function planMachine(network: string, machine: MachineConfiguration): MachinePlan {
  const domainName = `${network}-${machine.name}`;
  const digest = createHash("sha256").update(domainName).digest("hex");
  return {
    ...machine,
    domainName,
    // 52:54:00 is the prefix that QEMU and libvirt use for guests.
    mac: `52:54:00:${digest.slice(0, 2)}:${digest.slice(2, 4)}:${digest.slice(4, 6)}`,
    consoleLog: `/var/log/libvirt/qemu/${domainName}-console.log`,
  };
}

/** What the records of a stack follow from. */
type Named = Pick<
  Configuration,
  "domain" | "firewall" | "calling" | "features" | "wasimoff" | "mesh" | "machines"
>;

/** The records that a domain needs, for as much of the configuration as says so, and the gateway of a mesh where it has a name. */
export const planDnsRecords = (config: Named): DnsRecord[] => [
  ...(isGatewayAlone(config) ? [] : recordsOfDomain(config)),
  ...(config.mesh?.endpoint && !isIPv4(config.mesh.endpoint)
    ? [{ name: config.mesh.endpoint, type: "A" as const, value: config.firewall.publicAddress }]
    : []),
];

function recordsOfDomain({
  domain,
  firewall: { publicAddress },
  calling,
  features,
  wasimoff,
}: Named): DnsRecord[] {
  const federation = features.federation !== undefined;
  const names = publicNames(domain, {
    teamSettings: features.teamSettings,
    calling: calling.enabled,
    federation,
  });
  return [
    ...names.map((name) => ({ name, type: "A" as const, value: publicAddress })),
    ...(wasimoff?.mode === "public"
      ? [{ name: wasimoffHost(domain, wasimoff), type: "A" as const, value: publicAddress }]
      : []),
    { name: domain, type: "TXT", value: `v=spf1 ip4:${publicAddress} -all` },
    ...(federation
      ? [
          {
            name: `_wire-server-federator._tcp.${domain}`,
            type: "SRV" as const,
            value: `0 10 443 ${hostNames(domain).federator}`,
          },
        ]
      : []),
  ];
}

function planPublicPorts(
  kubenodes: readonly MachinePlan[],
  callingNode: MachinePlan | undefined,
  firstMediaPort: number,
): PublicPort[] {
  const ingress = kubenodes.map(({ address }) => address).join(", ");
  const { turn, media } = callingPorts;
  return [
    ...(ingress
      ? ([
          { protocol: "tcp", ports: "80", target: `${ingress} port ${ingressNodePorts.http}` },
          { protocol: "tcp", ports: "443", target: `${ingress} port ${ingressNodePorts.https}` },
        ] as const)
      : []),
    ...(callingNode
      ? ([
          { protocol: "tcp", ports: `${turn}`, target: callingNode.address },
          { protocol: "udp", ports: `${turn}`, target: callingNode.address },
          { protocol: "udp", ports: `${firstMediaPort}-${media.last}`, target: callingNode.address },
        ] as const)
      : []),
  ];
}

const planMeshPorts = ({ port, machine: { address } }: NonNullable<Plan["mesh"]>): PublicPort[] => [
  { protocol: "tcp", ports: `${port}`, target: address },
  { protocol: "udp", ports: `${port}-${port + 1}`, target: address },
];

const planWickrRecords = ({ hostname, address }: WickrPlan): DnsRecord[] =>
  isIPv4(hostname) ? [] : [{ name: hostname, type: "A", value: address }];

const planWickrPorts = ({ machine, forwarded }: NonNullable<Plan["wickr"]>): PublicPort[] =>
  [
    ...[...wickrPorts.all, ...(forwarded?.adminPorts ?? [])].map(String),
    `${wickrPorts.internal.first}-${wickrPorts.internal.last}`,
  ].map((ports) => ({ protocol: "tcp", ports, target: machine.address }));
