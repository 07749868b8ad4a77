import { isIPv4 } from "node:net";
import {
  addressIn,
  contains,
  gatewayOf,
  isBetween,
  isHostOf,
  isNetworkAddress,
  networkOf,
  overlap,
  prefixOf,
} from "../config/addresses";
import type { Configuration } from "../config/schema";
import type { Problem } from "./problem";

type Sections<K extends keyof Configuration> = Pick<Configuration, K>;
/** The sections that have addresses in them. */
type Addressed = Sections<"network" | "firewall" | "kubernetes" | "machines" | "host" | "mail" | "backup">;

/** What no machine and no network of machines can have (RFC 6890). */
const special = [
  ["0.0.0.0/8", "means this host itself"],
  ["127.0.0.0/8", "is every machine's own loopback"],
  ["169.254.0.0/16", "is link-local, and not forwarded"],
  ["224.0.0.0/4", "is for multicast"],
  ["240.0.0.0/4", "is reserved, and not forwarded"],
] as const;

/** Why no packet gets to an address, or to one of a network's; undefined if they do. */
export const unreachable = (cidr: string): string | undefined =>
  special.find(([other]) => overlap(other, cidr.includes("/") ? cidr : `${cidr}/32`))?.join(", which ");

/** A network of the configuration's, with its key. */
type Named = readonly [key: string, cidr: string];

/** The networks that the configuration takes for itself: the machines', the pods', the services'. */
export const ownNetworks = ({ network, kubernetes }: Sections<"network" | "kubernetes">): Named[] => [
  ["network.cidr", network.cidr],
  ["kubernetes.podCidr", kubernetes.podCidr],
  ["kubernetes.serviceCidr", kubernetes.serviceCidr],
];

/**
 * Every address against every network and range: what is the machines', the pods' or the services' is nobody else's,
 * and each is one that packets can be sent to.
 */
export function addressRules(config: Addressed): Problem[] {
  const { network, kubernetes } = config;
  const machines: Named = ["network.cidr", network.cidr];
  const inCluster: Named[] = [
    ["kubernetes.serviceCidr", kubernetes.serviceCidr],
    ["kubernetes.podCidr", kubernetes.podCidr],
  ];
  return [
    ...[machines, ...inCluster].flatMap(networkProblems),
    ...overlaps([machines, ...inCluster]),
    ...sizes(config),
    ...(madeHere(config) ? rangeProblems(config) : []),
    ...machineProblems(config, inCluster),
    ...outsiders(config).flatMap((one) => outsiderProblems(one, [machines, ...inCluster], config)),
    ...apiProblems(config),
    ...relayProblems(config),
    ...offHostProblems(config),
  ];
}

/** Whether the host has a network of the machines' own, with addresses that it gives out. */
const madeHere = ({ host }: Sections<"host">): boolean => host.hypervisor === "libvirt";

/** A network is named by its first address, and has none that packets cannot be sent to. */
export function networkProblems([key, cidr]: Named): Problem[] {
  const reserved = special.find(([other]) => overlap(cidr, other));
  return [
    ...(isNetworkAddress(cidr)
      ? []
      : [
          {
            key,
            message: `${cidr} does not name a network: its host bits must be zero, as in ${networkOf(cidr)}`,
          },
        ]),
    ...(reserved
      ? [{ key, message: `${cidr} has addresses of ${reserved[0]} in it, which ${reserved[1]}` }]
      : []),
  ];
}

const overlaps = (networks: readonly Named[]): Problem[] =>
  networks.flatMap(([key, cidr], index) =>
    networks
      .slice(0, index)
      .flatMap(([otherKey, other]) =>
        overlap(cidr, other)
          ? [{ key, message: `${cidr} has addresses of ${other} (${otherKey}) in it` }]
          : [],
      ),
  );

function sizes({ host, network, kubernetes: { podCidr, serviceCidr }, machines }: Addressed): Problem[] {
  const problems: Problem[] = [];
  // Two addresses for machines at least, besides the host's own.
  if (madeHere({ host }) && prefixOf(network.cidr) > 29)
    problems.push({
      key: "network.cidr",
      message: `${network.cidr} is too small for machines, a dynamic range and the host: the prefix is /29 at most`,
    });
  // kubeadm gives each node a /24; Kubernetes takes no more than 20 bits for services.
  const nodes = machines.filter(({ role }) => role === "kubenode").length;
  // Beyond 16 bits of nodes the controller manager ends at its start (clusterSubnetMaxDiff of its nodeipam).
  if (prefixOf(podCidr) < 8)
    problems.push({
      key: "kubernetes.podCidr",
      message: `${podCidr} is too large: Kubernetes takes prefixes from /8 on`,
    });
  if (2 ** (24 - prefixOf(podCidr)) < nodes)
    problems.push({
      key: "kubernetes.podCidr",
      message: `${podCidr} is too small: each of the ${nodes} kubenodes takes a /24`,
    });
  if (prefixOf(serviceCidr) < 12 || prefixOf(serviceCidr) > 24)
    problems.push({
      key: "kubernetes.serviceCidr",
      message: `${serviceCidr} must have a prefix from /12 to /24`,
    });
  return problems;
}

function rangeProblems({ network: { cidr, dhcpRange } }: Addressed): Problem[] {
  const { start, end } = dhcpRange;
  const problems: Problem[] = [];
  for (const [key, address] of [
    ["start", start],
    ["end", end],
  ] as const)
    if (!isHostOf(cidr, address))
      problems.push({
        key: `network.dhcpRange.${key}`,
        message: `${address} is outside the network ${cidr}`,
      });
  if (!isBetween(end, start, end))
    problems.push({ key: "network.dhcpRange", message: `the end ${end} lies before the start ${start}` });
  else if (isBetween(gatewayOf(cidr), start, end))
    problems.push({
      key: "network.dhcpRange",
      message: `${gatewayOf(cidr)} is the host's own address in the network; start behind it`,
    });
  return problems;
}

function machineProblems(config: Addressed, inCluster: readonly Named[]): Problem[] {
  const { machines, network, firewall, host } = config;
  const { cidr, dhcpRange } = network;
  const { start, end } = dhcpRange;
  const taken = new Set(machines.map(({ address }) => address));
  const free = (): string => {
    for (let number = 2; number < 2 ** (32 - prefixOf(cidr)) - 1 && number < 1024; number++) {
      const address = addressIn(cidr, number);
      if (!taken.has(address) && !isBetween(address, start, end)) return `; free is ${address}, for example`;
    }
    return "";
  };
  return machines.flatMap(({ address, existing }, index) => {
    const key = `machines[${index}].address`;
    const because = (message: string): Problem[] => [{ key, message }];
    const twin = machines.findIndex((other) => other.address === address);
    if (twin < index) return because(`${address} is the address of machines[${twin}] already${free()}`);
    if ([firewall.publicAddress, firewall.localAddress].includes(address))
      return because(`${address} is the host's own (firewall.publicAddress, firewall.localAddress)`);
    if ([host.ssh?.address, firewall.gateway?.ssh?.address].includes(address))
      return because(
        `${address} is the host's own (host.ssh.address, firewall.gateway.ssh.address): a machine is another one than the host`,
      );
    const reserved = special.find(([other]) => contains(other, address));
    if (reserved) return because(`${address} is in ${reserved[0]}, which ${reserved[1]}`);
    const foreign = inCluster.find(([, other]) => contains(other, address));
    if (foreign) return because(`${address} is in ${foreign[1]} (${foreign[0]}), which only the cluster has`);
    if (!madeHere(config)) return [];
    // A machine that exists already may be anywhere else; in the machines' network it keeps to the same rules.
    if (!isHostOf(cidr, address))
      return existing && !contains(cidr, address)
        ? []
        : because(`${address} is outside the network ${cidr}, or its first or last address${free()}`);
    if (address === gatewayOf(cidr))
      return because(`${address} is the host's own address in the network${free()}`);
    return isBetween(address, start, end)
      ? because(`${address} is inside the DHCP range ${start} to ${end}${free()}`)
      : [];
  });
}

/** An address of something that is no machine of the stack's. */
interface Outsider {
  readonly key: string;
  readonly address: string;
  /** What it has to be. */
  readonly meaning: string;
  /** Whether it may be the host's own address in the machines' network. */
  readonly mayBeGateway: boolean;
  /** Whether it may be one that the workstation alone knows. */
  readonly mayBeLoopback: boolean;
}

/** Only kubenodes serve the API. */
function apiProblems({ kubernetes: { api }, machines }: Addressed): Problem[] {
  const [, address, port] = /^(.*):(\d+)$/.exec(api ?? "") ?? [];
  const key = "kubernetes.api";
  const machine = machines.find((one) => one.address === address);
  return [
    ...(Number(port) > 65535 ? [{ key, message: `${port} is no port: at most 65535` }] : []),
    ...(machine && machine.role !== "kubenode"
      ? [{ key, message: `${address} is a ${machine.role}'s, and the API is on the kubenodes` }]
      : []),
  ];
}

/** What lies on the host goes with it, and on the asset host the backups lie already. */
function offHostProblems({ backup, firewall, host, machines }: Addressed): Problem[] {
  const address = backup.offHost?.address;
  const key = "backup.offHost.address";
  const assetHost = machines.findIndex((one) => one.role === "assethost" && one.address === address);
  if (assetHost >= 0)
    return [
      {
        key,
        message: `${address} is the asset host itself (machines[${assetHost}]), which has the backups already; it must be a server elsewhere`,
      },
    ];
  const own = [firewall.publicAddress, firewall.localAddress, host.ssh?.address];
  return address !== undefined && own.includes(address)
    ? [
        {
          key,
          message: `${address} is the host itself, with which all backups would go; it must be a server elsewhere`,
        },
      ]
    : [];
}

/** Names mean something else in a pod than on the workstation. */
function relayProblems({ mail: { relay } }: Addressed): Problem[] {
  const key = "mail.relay.host";
  if (!relay || isIPv4(relay.host)) return [];
  if (/(^|\.)localhost$/i.test(relay.host))
    return [{ key, message: "is each pod itself; give the name or address of the server" }];
  return relay.host.includes(".")
    ? []
    : [
        {
          key,
          message: "has no dot, and in a pod such a name is a service of the cluster: give the full name",
        },
      ];
}

/** Networks that nobody on the internet has (RFC 1918, 6598, 2544, 5737). */
const unrouted = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"],
  ...["198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
];

/** Networks of the internet's that the configuration takes for itself: whoever has them cannot be reached from there. */
export const addressWarnings = ({
  network,
  kubernetes,
  mesh,
}: Sections<"network" | "kubernetes" | "mesh">): string[] =>
  [
    ...ownNetworks({ network, kubernetes }),
    ...(mesh ? [["mesh.ipv4Network", mesh.ipv4Network] as const] : []),
  ].flatMap(([key, cidr]) =>
    unrouted.some((one) => contains(one, addressIn(cidr, 0)) && prefixOf(one) <= prefixOf(cidr))
      ? []
      : [
          `${key}: ${cidr} has addresses of the internet's in it: from the machines and pods, those who have them cannot be reached; networks of your own are in 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16`,
        ],
  );

/** All addresses of the configuration that are no machine's. */
export function outsiders({
  firewall,
  host,
  mail,
  kubernetes,
  backup,
}: Omit<Addressed, "network" | "machines">): Outsider[] {
  const api = kubernetes.api?.replace(/:\d+$/, "");
  const all = [
    [
      "firewall.publicAddress",
      firewall.publicAddress,
      "an address of the host that clients reach",
      false,
      false,
    ],
    [
      "firewall.localAddress",
      firewall.localAddress,
      "the host's own address towards its router",
      false,
      false,
    ],
    ["host.ssh.address", host.ssh?.address, "where the workstation reaches the host", false, true],
    ["mail.relay.host", mail.relay?.host, "a server that pods reach", true, false],
    ["backup.offHost.address", backup.offHost?.address, "a server elsewhere", false, false],
    ["kubernetes.api", api, "where the workstation reaches the API", true, true],
  ] as const;
  return all.flatMap(([key, address, meaning, mayBeGateway, mayBeLoopback]) =>
    address !== undefined && isIPv4(address) ? [{ key, address, meaning, mayBeGateway, mayBeLoopback }] : [],
  );
}

function outsiderProblems(
  { key, address, meaning, mayBeGateway, mayBeLoopback }: Outsider,
  networks: readonly Named[],
  { host, network, machines }: Addressed,
): Problem[] {
  const reserved = special.find(([other]) => contains(other, address));
  if (reserved)
    return mayBeLoopback && reserved[0] === "127.0.0.0/8"
      ? []
      : [{ key, message: `${address} is in ${reserved[0]}, which ${reserved[1]}; it must be ${meaning}` }];
  if (mayBeGateway && address === gatewayOf(network.cidr)) return [];
  // Who has no network of their own may have everything in the one that is there.
  if (!madeHere({ host }) && contains(network.cidr, address)) return [];
  // The API is one of the machines'.
  if (key === "kubernetes.api" && machines.some((machine) => machine.address === address)) return [];
  const inside = networks.find(([, cidr]) => contains(cidr, address));
  return inside
    ? [{ key, message: `${address} is inside ${inside[1]} (${inside[0]}); it must be ${meaning}` }]
    : [];
}
