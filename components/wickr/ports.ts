import { type WickrPlan, wickrPorts } from "../config/wickr";

/** Name of the nft table on the machine. */
export const portsTable = "wiab_wickr";

/** Arguments of {@link renderPorts}. */
export interface PortsArgs {
  readonly plan: Pick<WickrPlan, "adminRanges" | "internalRanges">;
  /** TCP port of the machine's SSH server. */
  readonly sshPort: number;
  /** Address that the program logs in from besides the administrators: that of the machine's host. @default none */
  readonly host?: string | undefined;
}

/** Networks that may use SSH. */
export const mayLogIn = ({ plan, host }: PortsArgs): readonly string[] => [
  ...plan.adminRanges,
  ...(host === undefined ? [] : [`${host}/32`]),
];

/**
 * The guide's table of ports as one nft transaction on the machine. It stands before translation: ports that Docker
 * publishes never come to an input chain. Docker's own networks and the machine itself pass.
 */
export function renderPorts(args: PortsArgs): string {
  const { plan, sshPort } = args;
  const { all, internal } = wickrPorts;
  const pages = wickrPorts.admin.filter((port) => port !== 22);
  const rules = [
    "type filter hook prerouting priority mangle; policy drop;",
    "ct state established,related accept",
    'iifname { "lo", "docker0", "docker_gwbridge" } accept',
    'iifname "br-*" accept',
    "meta l4proto { icmp, ipv6-icmp } accept",
    "udp sport 67 udp dport 68 accept",
    `tcp dport { ${all.join(", ")} } accept`,
    `ip saddr { ${mayLogIn(args).join(", ")} } tcp dport ${sshPort} accept`,
    `ip saddr { ${plan.adminRanges.join(", ")} } tcp dport { ${pages.join(", ")} } accept`,
    ...(plan.internalRanges.length > 0
      ? [`ip saddr { ${plan.internalRanges.join(", ")} } tcp dport ${internal.first}-${internal.last} accept`]
      : []),
  ];
  return [
    `add table inet ${portsTable}`,
    `delete table inet ${portsTable}`,
    `table inet ${portsTable} {`,
    "  chain prerouting {",
    ...rules.map((rule) => `    ${rule}`),
    "  }",
    "}",
    "",
  ].join("\n");
}
