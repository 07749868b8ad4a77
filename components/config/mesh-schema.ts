import { z } from "zod";
import { isIpv6Network } from "./mesh-addresses";

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
  .regex(
    /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
    "must be a name or an IPv4 address alone, without port or brackets",
  );

const network = z.string().refine(isIpv6Network, {
  error: "must be an IPv6 network with all bits behind its prefix zero, such as fd51:0:0:1::/64",
});

const port = z.int().min(1).max(65535);

const peer = z.strictObject({
  site: label.describe("Name of the other site."),
  zone: domain.optional().describe("Zone that it answers for. Default: `<site>.<mesh.domain>`."),
  prefix: network.optional().describe("Its /64. Default: the one that follows from its zone."),
  endpoint: host.describe("Name or IPv4 address where its gateway is reached from here."),
  port: port.default(29292).describe("UDP and TCP port of its gateway."),
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
      /^[A-Za-z0-9.-]+:[1-9][0-9]{0,4}$/,
      "must be a host and a port in the site's own network, such as 192.168.122.21:31773",
    )
    .describe("Where it is served in the site's own network: host and port."),
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
  endpoint: host
    .optional()
    .describe("Name or address where the others reach the gateway. Default: `firewall.publicAddress`."),
  port: port
    .default(29292)
    .describe("UDP port of WireGuard and TCP port of the exchange, on the public address too."),
  mtu: z
    .int()
    .min(1280)
    .max(1420)
    .default(1280)
    .describe("MTU of the tunnel in bytes. 1280 passes wherever IPv6 does."),
  identity: z
    .strictObject({
      certificateFile: z
        .string()
        .min(1)
        .describe(
          "The site's certificate in PEM, intermediate ones behind it: the zone as its one DNS name, `urn:wiab:mesh:<prefix>` as its one URI.",
        ),
      privateKeyFile: z.string().min(1).describe("Its private key, PKCS#8 in PEM; mode 600."),
      authorityFile: z
        .string()
        .min(1)
        .describe(
          "Certificates, in PEM, of the authorities that sites are believed by; intermediate ones too.",
        ),
      revocationsFile: z
        .string()
        .min(1)
        .optional()
        .describe("The authority's revocation list in PEM. Default: nothing is revoked."),
    })
    .describe("Who the site is. Paths on the workstation."),
  peers: z.array(peer).default([]).describe("The other sites."),
  services: z.array(service).default([]).describe("What this site offers to others, by name."),
  collisions: z
    .enum(["refuse", "suffix"])
    .default("refuse")
    .describe(
      "Two names with the same label: `refuse` the later one, or give it a `suffix` of six hexadecimal digits that stays.",
    ),
});

/** The configuration of a mesh. */
export type MeshConfiguration = z.output<typeof mesh>;
