import { z } from "zod";
import { ipv4Network, path, port } from "./forms";
import { isIpv6Network } from "./mesh-addresses";
import { serverName } from "./network-words";

const label = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be one label of a DNS name: at most 63 lower-case letters, digits and hyphens, with no hyphen first or last",
  );

const domain = z
  .string()
  .regex(
    /^(?=.{1,180}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    "must be a domain name in lower case, without a trailing dot, such as pmd.internal",
  );

/** Where a gateway is reached; the overlay is IPv6, the way to it is not. */
const host = z
  .string()
  .regex(serverName, "must be a name or an IPv4 address alone, without port or brackets");

const network = z.string().refine(isIpv6Network, {
  error: "must be an IPv6 network with all bits behind its prefix zero, such as fd51:0:0:1::/64",
});

/** WireGuard has a second interface on the port after it. */
const gatewayPort = z.int().min(1).max(65534);

const peer = z.strictObject({
  site: label.describe("Name of the other site."),
  zone: domain.optional().describe("Zone that it answers for. Default: `<site>.<mesh.domain>`."),
  prefix: network.optional().describe("Its /64. Default: the one that follows from its zone."),
  endpoint: host.describe("Name or IPv4 address where its gateway is reached from here."),
  port: gatewayPort.default(29292).describe("UDP and TCP port of its gateway; UDP takes the next one too."),
});

const serial = z
  .string()
  .regex(
    /^[0-9a-f]{1,40}$/,
    "must be a serial number in lower-case hexadecimal digits, as the gateways' status has it",
  );

const identity = z.strictObject({
  zipFile: path
    .optional()
    .describe("A ZIP with the site's certificate and private key, as an authority sends it; mode 600."),
  certificateFile: path
    .optional()
    .describe(
      "The site's certificate in PEM, intermediate ones behind it: the zone as its one DNS name, `urn:wiab:mesh:<prefix>` as its one URI.",
    ),
  privateKeyFile: path.optional().describe("Its private key in PEM; mode 600."),
  authorityFile: path
    .optional()
    .describe(
      "Certificates, in PEM, of the authorities that sites are believed by; intermediate ones too. Default: those in the ZIP.",
    ),
  authorityKeyFile: path
    .optional()
    .describe(
      "Ed25519 key in PEM of the first authority in `authorityFile`, mode 600: the stack gives the site its certificates itself, for a key that the gateway makes, for 90 days, and a new one with the first `up` of each 30 days.",
    ),
  revoked: z
    .array(serial)
    .default([])
    .describe(
      "Serial numbers of certificates that are revoked, with `authorityKeyFile`. On one site alone, which tells the others; entries stay.",
    ),
  revocationsFile: path
    .optional()
    .describe("The authority's revocation list in PEM. Default: nothing is revoked."),
});

const service = z.strictObject({
  name: z
    .string()
    .min(1)
    .describe(
      "Name of what is offered. Its label is made of it: each run of characters other than Latin letters and digits becomes one hyphen, and hyphens at both ends go.",
    ),
  protocol: z.enum(["tcp", "udp"]).default("tcp").describe("Protocol."),
  port: port.describe("Port in the overlay."),
  target: z
    .string()
    .regex(
      /^(ingress|[A-Za-z0-9.-]+:[1-9][0-9]{0,4})$/,
      "must be a host and a port in the site's own network, such as 192.168.122.10:8080, or ingress",
    )
    .describe(
      "Where it is served in the site's own network: host and port, or `ingress` for Wire's, on all nodes that take what clients send.",
    ),
  peers: z.array(label).optional().describe("Sites that may use it. Default: all peers."),
});

/** Stands in `mesh.access` for every name without an entry of its own. */
export const everything = "*";

const access = z.strictObject({
  name: z
    .string()
    .min(1)
    .describe(
      "Name of a container or of a service of Kubernetes; `*` is for all without an entry of their own.",
    ),
  ports: z.array(port).min(1).optional().describe("Its ports that may be used. Default: all that it has."),
  peers: z.array(label).optional().describe("Sites that may use it. Default: all peers."),
});

/** The mesh that joins sites. */
export const mesh = z.strictObject({
  site: label.describe("Name of this site."),
  gateway: z.string().min(1).describe("Name of the machine that is the site's gateway."),
  domain: domain.default("pmd.internal").describe("Domain below which the sites' zones lie."),
  range: network.default("fd51::/16").describe("Network of all sites; a part of fc00::/7 (RFC 4193)."),
  prefix: network
    .optional()
    .describe("The site's own /64 within `range`. Default: one that follows from its zone."),
  ipv4Network: ipv4Network
    .default("198.18.0.0/16")
    .describe(
      "Addresses by which this site's machines and pods, which have no IPv6, reach names of other sites: one for each name. The site's own; others may have the same.",
    ),
  endpoint: host
    .optional()
    .describe("Name or address where the others reach the gateway. Default: `firewall.publicAddress`."),
  port: gatewayPort
    .default(29292)
    .describe(
      "UDP port of WireGuard and TCP port of the exchange, on the public address too. UDP takes the next one as well, by which keys are renewed without loss.",
    ),
  mtu: z
    .int()
    .min(1280)
    .max(1420)
    .default(1280)
    .describe("MTU of the tunnel in bytes. 1280 passes wherever IPv6 does."),
  identity: identity.describe(
    "Who the site is: `zipFile`, or `certificateFile` with `privateKeyFile`, or `authorityKeyFile`. Paths on the workstation.",
  ),
  peers: z.array(peer).default([]).describe("The other sites."),
  stacks: z
    .array(
      z
        .string()
        .regex(
          /^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/,
          "must be the full name of a stack: organization/project/stack",
        ),
    )
    .default([])
    .describe(
      "Further sites, by the stacks that make them, on the same backend: what they put out says the rest. One that is not there yet is left out, with a warning.",
    ),
  machinePorts: z
    .array(port)
    .default([])
    .describe(
      "TCP ports of the stack's machines, but Wickr's, that all peers may use, by the machines' names.",
    ),
  services: z.array(service).default([]).describe("What this site offers to others, by name."),
  access: z
    .array(access)
    .default([])
    .describe("Who may use what joins the site by itself. Default: it has its name, and no peer may use it."),
  collisions: z
    .enum(["refuse", "suffix"])
    .default("refuse")
    .describe(
      "Two names with the same label: `refuse` the later one, or give it a `suffix` of six hexadecimal digits that stays.",
    ),
});

/** The configuration of a mesh. */
export type MeshConfiguration = z.output<typeof mesh>;
