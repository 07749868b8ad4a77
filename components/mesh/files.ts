import { createHash } from "node:crypto";
import type { MeshPlan } from "../config/mesh";
import { addressAt } from "../config/mesh-addresses";

/** Where things of the mesh are on a gateway. */
export const directories = { settings: "/etc/wiab/mesh", state: "/var/lib/wiab/mesh" } as const;

/** Name of the WireGuard interface on a gateway. */
export const meshInterface = "wiab-mesh";

/** Seconds that others may remember a name, and that there is none (upstream's are 60 and none). */
const life = { name: 60, none: 5 } as const;

/** The settings of the gateway's program (mesh/settings/settings.go), as JSON. `root` stands before every path. */
export function renderSettings(plan: MeshPlan, root = ""): string {
  const settings = `${root}${directories.settings}`;
  const state = `${root}${directories.state}`;
  return `${JSON.stringify(
    {
      interface: meshInterface,
      site: plan.site,
      port: plan.port,
      mtu: plan.mtu,
      keyFile: `${state}/wireguard.key`,
      certificateFile: `${settings}/site.pem`,
      identityKeyFile: `${settings}/site.key`,
      authorityFile: `${settings}/authority.pem`,
      revocationsFile: `${settings}/revocations.pem`,
      stateDirectory: state,
      socket: `${root}/run/wiab-mesh/control.sock`,
      peers: plan.peers,
      services: plan.services,
    },
    null,
    2,
  )}\n`;
}

/**
 * CoreDNS' configuration: the site answers for its own zone, and asks each peer for the peer's. Nobody in the middle has to be there
 * for two sites to find each other.
 */
export function renderCorefile(plan: MeshPlan, root = ""): string {
  const block = (zone: string, lines: readonly string[]) => [
    `${zone} {`,
    ...[`bind ${plan.nameServer}`, "errors", ...lines].map((line) => `  ${line}`),
    "}",
  ];
  return [
    // Looks every two seconds whether this very file has changed.
    ...block(plan.site.zone, [
      "reload 2s 1s",
      `file ${root}${directories.settings}/zone {`,
      "  reload 2s",
      "}",
    ]),
    ...plan.peers.flatMap(({ zone, prefix }) =>
      block(zone, [
        `forward . ${addressAt(prefix, 0xfe)}`,
        `cache ${life.name} {`,
        `  denial 9984 ${life.none}`,
        "}",
      ]),
    ),
    "",
  ].join("\n");
}

/** The site's own zone. Its serial number follows from what is in it: CoreDNS reads it again when that is another. */
export function renderZone(plan: MeshPlan): string {
  const records = [
    `@ IN NS ns`,
    `ns IN AAAA ${plan.nameServer}`,
    `wg IN AAAA ${plan.gatewayAddress}`,
    ...[...new Map(plan.services.map(({ label, address }) => [label, address]))].map(
      ([label, address]) => `${label} IN AAAA ${address}`,
    ),
  ];
  const serial = createHash("sha256").update(records.join("\n")).digest().readUInt32BE() >>> 1;
  return [
    `$ORIGIN ${plan.site.zone}.`,
    `$TTL ${life.name}`,
    `@ IN SOA ns hostmaster ${serial} 3600 600 86400 ${life.none}`,
    ...records,
    "",
  ].join("\n");
}
