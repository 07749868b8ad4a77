/** A port of the host's that answers. */
export interface HostService {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly what: string;
  /** Whether machines without a way out do without it. @default they have it too */
  readonly outside?: true;
  /** Whether it says nothing to a stranger's packet, so that a scan does not see it. @default it answers */
  readonly silent?: true;
}

/**
 * All that machines get from the host itself, besides ICMP; docs/security.md shows it. Without a way out they ask for the
 * names that are listed alone (names.ts), which takes one packet.
 */
export const machineServices: readonly HostService[] = [
  { protocol: "udp", port: 53, what: "names" },
  { protocol: "tcp", port: 53, what: "names, with a way out", outside: true },
  { protocol: "udp", port: 67, what: "addresses (DHCP)", silent: true },
  { protocol: "udp", port: 123, what: "time" },
];

/** What the rules make of {@link machineServices}. */
export const portsOf = (services: readonly HostService[], wanted: HostService["protocol"]): number[] =>
  services.filter(({ protocol }) => protocol === wanted).map(({ port }) => port);

/**
 * On packets from a stack's machines that its own rules have let in to the host, where rules of another stack ask for it:
 * `wiab` in ASCII. A packet has to pass each stack's table, and only the one that it concerns knows what it may.
 */
export const admittedMark = "0x77696162";
