import { isIP } from "node:net";
import type { Inside, Plan } from "../../config/plan";
import { callingPorts, ingressNodePorts } from "../../config/ports";
import type { Configuration } from "../../config/schema";
import { transportPort } from "../../config/wasimoff-eras";
import { wickrPorts } from "../../config/wickr";
import { admittedMark, machineServices, portsOf } from "./host-services";
import { askableNames, questionFor } from "./names";

/** What the rules depend on; all of it is known before anything is deployed. */
export interface RulesetArgs {
  /** Name of the nft table (family `inet`): the libvirt network's name. */
  readonly name: string;
  /** IPv4 address whose ports are forwarded, as clients and machines know it. */
  readonly publicAddress: string;
  /**
   * IPv4 address of the host's that a router translates the public one to. No other address of the host is touched.
   * @default the host has the public address itself
   */
  readonly localAddress?: string;
  /** Ports that stay with the host, such as `udp/51820`, for the machines too. @default none */
  readonly hostPorts?: readonly string[];
  /** Where the machines are. */
  readonly inside: Inside;
  /** IPv4 addresses of the Kubernetes nodes that take what clients send: at least one, or none and {@link wickr} or {@link mesh}. */
  readonly kubenodes: readonly string[];
  /** IPv4 address of the machine that calling runs on. @default none, and its ports stay closed */
  readonly callingNode?: string;
  /** First UDP port of a call's media. @default that of the deployment guide */
  readonly firstMediaPort?: number;
  /** Whether the machines are kept away from everything outside the host: what they start towards it is refused. */
  readonly privateDeployment: boolean;
  /** What machines may ask the host's name server for where they are kept away from the outside. @default nothing */
  readonly names?: readonly string[];
  /**
   * The gateway of a mesh: its port goes to it, UDP and TCP, and the next one for UDP; it reaches those of its peers.
   * @default none
   */
  readonly mesh?: {
    /** IPv4 address. */
    readonly gateway: string;
    readonly port: number;
    readonly peerPorts: readonly number[];
  };
  /** The port of a broker whose providers speak WebTransport goes to the kubenodes. @default none */
  readonly transport?: {
    /** IPv4 networks that may use it; empty for all. */
    readonly networks: readonly string[];
  };
  /** Where the asset host brings backups: a server's IPv4 address and TCP port. @default nowhere */
  readonly offHost?: { readonly assetHost: string; readonly address: string; readonly port: number };
  /** TCP port of a mail relay on the host, which the machines reach. @default none */
  readonly relayPort?: number;
  /** The machine of Wickr, with the address of the host's whose ports go to it. @default none */
  readonly wickr?: {
    /** IPv4 address. */
    readonly machine: string;
    readonly address: string;
    readonly adminPorts: readonly number[];
    readonly adminRanges: readonly string[];
    readonly internalRanges: readonly string[];
  };
  /** Whether the host refuses what is not listed in {@link renderRuleset}'s `input` chain. */
  readonly hardenInput: boolean;
  /** TCP port of the host's own SSH server, which `hardenInput` leaves open. @default 22 */
  readonly sshPort?: number;
}

/** The rules that a configuration asks for. */
export const planRuleset = (config: Configuration, plan: Plan): RulesetArgs => ({
  name: config.network.name,
  publicAddress: config.firewall.publicAddress,
  localAddress: config.firewall.localAddress,
  hostPorts: config.firewall.hostPorts,
  inside: plan.firewall.inside,
  kubenodes: plan.servingKubenodes.map(({ address }) => address),
  callingNode: plan.callingNode?.address,
  firstMediaPort: config.calling.firstMediaPort,
  mesh: plan.mesh && {
    gateway: plan.mesh.machine.address,
    port: plan.mesh.port,
    peerPorts: [...new Set(config.mesh?.peers.map(({ port }) => port))],
  },
  transport: plan.wasimoff?.transport ? { networks: plan.wasimoff.access.networks } : undefined,
  wickr: plan.wickr?.forwarded && {
    machine: plan.wickr.machine.address,
    ...plan.wickr.forwarded,
    adminRanges: plan.wickr.adminRanges,
    internalRanges: plan.wickr.internalRanges,
  },
  privateDeployment: config.firewall.privateDeployment,
  names: config.firewall.privateDeployment ? askableNames(config, plan) : undefined,
  offHost: config.backup.offHost &&
    plan.assethost && {
      assetHost: plan.assethost.address,
      address: config.backup.offHost.address,
      port: config.backup.offHost.port,
    },
  relayPort: relayOnHost(config, plan) ? config.mail.relay?.port : undefined,
  hardenInput: plan.firewall.hardenInput,
  sshPort: plan.firewall.sshPort,
});

/** A relay that has a name may be the host as well. */
function relayOnHost({ mail, firewall }: Configuration, { gateway }: Plan): boolean {
  const host = mail.relay?.host;
  const own = [gateway, firewall.publicAddress, firewall.localAddress];
  return host !== undefined && (isIP(host) === 0 || own.includes(host));
}

/** TCP ports of the public address that go to the machines. */
export const forwardedTcpPorts = (calling: boolean): readonly number[] => [
  80,
  443,
  ...(calling ? [callingPorts.turn] : []),
];

/** Tells this project's tables from others of the same name; firewall.sh touches none without it. */
export const tableComment = "wiab firewall";

/**
 * The host's firewall as one nft transaction: it replaces the table `inet <name>` whole and touches no
 * other. Traffic that neither comes from nor goes to the machines or the public address is left alone,
 * as long as `hardenInput` is off. Of the host itself the machines reach {@link machineServices} and what is configured.
 *
 * Limits that no rule can lift:
 * - Another table that drops forwarded packets (Docker sets the policy of its FORWARD chain to drop) has
 *   its way: a packet has to pass every table. The preflight looks for such tables.
 * - With calling on, the host cannot itself serve UDP at `firstMediaPort` and above on the public address, but for `hostPorts`
 *   (WireGuard's 51820, say). What the host starts from such a port is safe: answers belong to a connection that is
 *   tracked already, and those are not translated anew.
 * - Where bridged packets are filtered (net.bridge.bridge-nf-call-iptables is 1), the kernel loses what a
 *   machine sends to itself through the public address, for a bridge port takes nothing back. TCP tries
 *   again and gets to the next kubenode a second later; the preflight points it out.
 *
 * Reverse-path filtering needs no relaxing, on host or machine: a machine that reaches another through
 * the public address is answered through the host, so each packet arrives where its sender is routed to.
 *
 * @throws Error if the name does not fit nft, there is no kubenode, or the SSH port would be forwarded.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the chains in the order in which nft has them; apart they would say less
export function renderRuleset(args: RulesetArgs): string {
  const { name, publicAddress, callingNode, sshPort = 22, hostPorts = [] } = args;
  const { from, to, outwards, outwardsFrom, neighbours } = matches(args.inside);
  const localAddress = args.localAddress ?? publicAddress;
  // Machines go to the public address, whether or not a router in front would send that back.
  const addressed = localAddress === publicAddress ? publicAddress : `{ ${publicAddress}, ${localAddress} }`;
  // A router in front translates the public address alone.
  const wickrAddress = args.wickr?.address === publicAddress ? addressed : args.wickr?.address;
  const kept = hostPorts.map((entry) => entry.replace("/", " dport "));
  const { turn } = callingPorts;
  const media = `${args.firstMediaPort ?? callingPorts.media.first}-${callingPorts.media.last}`;
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name)) {
    throw new Error(
      `"${name}" cannot name an nft table: use letters, digits, "_", "." and "-", a letter first`,
    );
  }
  if (args.kubenodes.length === 0 && !args.wickr && !args.mesh) {
    throw new Error(`firewall "${name}": there is no kubenode to forward ports 80 and 443 to`);
  }
  if (forwardedTcpPorts(callingNode !== undefined).includes(sshPort)) {
    throw new Error(
      `firewall "${name}": SSH port ${sshPort} of the host is one that is forwarded to the machines; move sshd`,
    );
  }

  // Well-known ports are no peer of a call: DNS and NTP clients use the same source ports.
  const fromCalling = `ip saddr ${callingNode} udp sport ${media} udp dport 1024-65535`;

  const { mesh } = args;
  // A tunnel comes from the port that the others know; the exchange goes to theirs.
  const fromGateway = mesh
    ? [
        `ip saddr ${mesh.gateway} udp sport ${mesh.port}-${mesh.port + 1}`,
        ...mesh.peerPorts.map((port) => `ip saddr ${mesh.gateway} tcp dport ${port}`),
      ]
    : [];

  // Allowed by name even where machines have no way out.
  const allowedOut = [
    ...fromGateway,
    ...(args.offHost
      ? [`ip saddr ${args.offHost.assetHost} ip daddr ${args.offHost.address} tcp dport ${args.offHost.port}`]
      : []),
  ];

  const { transport } = args;
  const fromNetworks = transport?.networks.length ? `ip saddr { ${transport.networks.join(", ")} } ` : "";

  const chains = [
    chain("services", [
      ...kept.map((ports) => `${ports} return`),
      ...(mesh
        ? [
            `meta l4proto { tcp, udp } th dport ${mesh.port} dnat ip to ${mesh.gateway}`,
            `udp dport ${mesh.port + 1} dnat ip to ${mesh.gateway}`,
          ]
        : []),
      ...(args.kubenodes.length > 0
        ? [
            `tcp dport 80 dnat ip to ${inTurn(args.kubenodes)} : ${ingressNodePorts.http}`,
            `tcp dport 443 dnat ip to ${inTurn(args.kubenodes)} : ${ingressNodePorts.https}`,
          ]
        : []),
      ...(transport
        ? [
            `${fromNetworks}meta l4proto { tcp, udp } th dport ${transportPort.public} dnat ip to ${inTurn(args.kubenodes)} : ${transportPort.node}`,
          ]
        : []),
      ...(callingNode
        ? [
            `meta l4proto { tcp, udp } th dport ${turn} dnat ip to ${callingNode}`,
            `udp dport ${media} dnat ip to ${callingNode}`,
          ]
        : []),
    ]),
    ...(args.wickr ? [chain("wickr", forwardedToWickr(args.wickr))] : []),
    // One before the usual priority: otherwise the order in which tables were loaded decides whether
    // somebody else's rule for port 443 wins.
    chain("prerouting", [
      "type nat hook prerouting priority dstnat - 1; policy accept;",
      `ip daddr ${addressed} jump services`,
      ...(args.wickr ? [`ip daddr ${wickrAddress} jump wickr`] : []),
    ]),
    // The host's own way to the public address: it does not pass prerouting.
    chain("output", [
      "type nat hook output priority -101; policy accept;",
      `ip daddr ${addressed} jump services`,
      ...(args.wickr ? [`ip daddr ${wickrAddress} jump wickr`] : []),
    ]),
    chain("postrouting", [
      "type nat hook postrouting priority srcnat; policy accept;",
      // Hairpin: with its own source a machine would be answered directly, past the translation. The public
      // address is what TURN permissions name, so that two relayed calls can meet.
      `${neighbours} ct status dnat snat ip to ${publicAddress}`,
      // Media that the calling node sends first has to come from where the peer would send to.
      ...(callingNode && !args.privateDeployment
        ? [`${outwards} ${fromCalling} snat ip to ${localAddress}`]
        : []),
      ...allowedOut.map((packets) => `${outwards} ${packets} snat ip to ${localAddress}`),
      ...(args.privateDeployment ? [] : [`${outwardsFrom} masquerade`]),
    ]),
    chain("forward", [
      "type filter hook forward priority filter; policy accept;",
      `${to} goto to-machines`,
      ...(args.privateDeployment ? [`${from} goto from-machines`] : []),
    ]),
    chain("to-machines", [
      "ct state established,related accept",
      "ct status dnat accept",
      // Neighbours pass here where bridged packets are filtered (br_netfilter), and from one network to another.
      `${from} accept`,
      "drop",
    ]),
  ];
  if (args.privateDeployment) {
    chains.push(
      chain("from-machines", [
        "ct state established,related accept",
        ...allowedOut.map((packets) => `${packets} accept`),
        // Calls need no more than that answers go out: each client sends to the relay's and the conference's ports first, and
        // two relays meet at the public address. What they try before gets silence, as from any router that translates.
        ...(callingNode ? [`${fromCalling} drop`] : []),
        refusal,
      ]),
    );
  }
  // What a gateway is to its machines besides, their name server or one of them itself, is its owner's business.
  const isBridged = args.inside.kind === "bridge";
  if (isBridged) chains.push(...ownInput(args, from, kept));
  if (args.hardenInput) {
    chains.push(
      chain("input", [
        "type filter hook input priority filter; policy drop;",
        "ct state established,related accept",
        'iifname "lo" accept',
        // This stack's machines and those of others beside it, as far as their own rules let them in.
        isBridged ? `meta mark ${admittedMark} accept` : `${from} accept`,
        // "virbr*" are libvirt's other networks, whose machines get DHCP and DNS from the host. Not every
        // bridge: a host whose uplink is a bridge would be wide open.
        'iifname "virbr*" accept',
        // All of ICMP: path MTU discovery, and for IPv6 neighbours and routers.
        "meta l4proto { icmp, ipv6-icmp } accept",
        `tcp dport ${sshPort} accept`,
        ...kept.map((ports) => `${ports} accept`),
        // The host's own DHCP clients ask a multicast or broadcast address and are answered from another.
        "udp sport 67 udp dport 68 accept",
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
      ]),
    );
  }

  return [
    // "delete" fails if there is no table, "add" does not mind if there is one.
    `add table inet ${name}`,
    `delete table inet ${name}`,
    `table inet ${name} {`,
    `  comment "${tableComment}"`,
    ...chains.map((text) => `\n${text}`),
    "}",
    "",
  ].join("\n");
}

/** A program in a machine that tries should fail at once, not hang. */
const refusal = "reject with icmpx type admin-prohibited";

/** What the machines reach of a host that is there for them. */
function ownInput(
  { privateDeployment, names = [], relayPort }: RulesetArgs,
  from: string,
  kept: readonly string[],
): string[] {
  const own = (protocol: "tcp" | "udp") =>
    `${protocol} dport { ${portsOf(machineServices, protocol).join(", ")} }`;
  const admitted = `meta mark set ${admittedMark} accept`;
  return [
    // Before those of other stacks, which let pass what is marked.
    chain("machines-input", [
      "type filter hook input priority filter - 1; policy accept;",
      `${from} goto to-host`,
    ]),
    chain("to-host", [
      // Before what is established: an answer to one question lets no other follow from the same port.
      ...(privateDeployment ? ["meta l4proto { tcp, udp } th dport 53 goto names"] : []),
      "ct state established,related accept",
      ...["meta l4proto { icmp, ipv6-icmp }", own("udp"), own("tcp"), ...kept].map(
        (what) => `${what} ${admitted}`,
      ),
      ...(relayPort ? [`tcp dport ${relayPort} ${admitted}`] : []),
      refusal,
    ]),
    ...(privateDeployment
      ? [chain("names", [...names.map((name) => `${questionFor(name)} ${admitted}`), refusal])]
      : []),
  ];
}

/** How rules tell packets of the machines, which have a bridge of their own or addresses alone. */
function matches(inside: Inside) {
  if (inside.kind === "bridge") {
    const { bridge, network } = inside;
    return {
      from: `iifname "${bridge}"`,
      to: `oifname "${bridge}"`,
      outwards: `oifname != "${bridge}"`,
      outwardsFrom: `oifname != "${bridge}" ip saddr ${network}`,
      neighbours: `oifname "${bridge}" ip saddr ${network}`,
    };
  }
  const machines = `{ ${inside.addresses.join(", ")} }`;
  return {
    // An address says little of who sends: what comes in where no answer would go out has another's.
    from: `ip saddr ${machines} fib saddr . iif oif != 0`,
    to: `ip daddr ${machines}`,
    outwards: `ip daddr != ${machines}`,
    outwardsFrom: `ip daddr != ${machines} ip saddr ${machines}`,
    neighbours: `ip daddr ${machines} ip saddr ${machines}`,
  };
}

function chain(name: string, rules: readonly string[]): string {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), "  }"].join("\n");
}

/** The guide's table of ports; who is in no range stays outside, since what is not translated is no machine's. */
const forwardedToWickr = ({
  machine,
  adminPorts,
  adminRanges,
  internalRanges,
}: NonNullable<RulesetArgs["wickr"]>): string[] => {
  const { all, internal } = wickrPorts;
  const to = `dnat ip to ${machine}`;
  const from = (ranges: readonly string[]) => `ip saddr { ${ranges.join(", ")} }`;
  return [
    `tcp dport { ${all.join(", ")} } ${to}`,
    `${from(adminRanges)} tcp dport { ${adminPorts.join(", ")} } ${to}`,
    ...(internalRanges.length > 0
      ? [`${from(internalRanges)} tcp dport ${internal.first}-${internal.last} ${to}`]
      : []),
  ];
};

/**
 * Kubenodes take new connections in turn rather than by the client's address: clients behind one address
 * spread too, and one that meets a node which is down gets to another when it tries again.
 */
function inTurn(addresses: readonly string[]): string {
  const turns = addresses.map((address, turn) => `${turn} : ${address}`).join(", ");
  return `numgen inc mod ${addresses.length} map { ${turns} }`;
}
