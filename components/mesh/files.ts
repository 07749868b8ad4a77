import type { MeshPlan } from "../config/mesh";
import { addressAt } from "../config/mesh-addresses";

/** Where things of the mesh are on a gateway. */
export const directories = { settings: "/etc/wiab/mesh", state: "/var/lib/wiab/mesh" } as const;

/** Names of the WireGuard interfaces on a gateway: the second has the port after the first's (mesh/settings/settings.go). */
export const meshInterfaces = ["wiab-mesh", "wiab-mesh2"] as const;

/** Name of the gateway's nft table, of the family `inet` (mesh/tunnel/access.go). */
export const meshTable = "wiab_mesh_wiab_mesh";

/** Seconds that others may remember a name of a peer's, and that there is none (upstream's are 60 and none). */
const life = { name: 60, none: 5 } as const;

/** Network of Docker on the gateway whose containers get names (the guide's). */
const containerNetwork = "wgnet";

/** The settings of the gateway's program (mesh/settings/settings.go), as JSON. `root` stands before every path. */
export const renderSettings = (plan: MeshPlan, root = ""): string =>
  asJson({ ...settingsOf(plan, root), ipv4Network: plan.ipv4Network, callers: plan.callers });

/** The part of the settings that the gateway's keys follow from: they stay while peers come and go. */
export const renderKeySettings = (plan: MeshPlan): string =>
  asJson(settingsOf({ ...plan, peers: [], services: [], access: [] }, ""));

const asJson = (settings: object): string => `${JSON.stringify(settings, null, 2)}\n`;

function settingsOf(plan: MeshPlan, root: string): object {
  const settings = `${root}${directories.settings}`;
  const state = `${root}${directories.state}`;
  return {
    interface: meshInterfaces[0],
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
    access: plan.access,
    suffix: plan.collisions === "suffix",
    containers: { socket: `${root}/run/docker.sock`, network: containerNetwork },
    kubernetesFile: `${settings}/kubernetes.json`,
  };
}

/**
 * CoreDNS' configuration: the site answers for its own zone, and asks each peer for the peer's. Nobody in the middle has to be there
 * for two sites to find each other. The site's own machines, pods and containers ask it at the gateway's IPv4 address, where names that
 * they may use have the IPv4 addresses by which they reach them, and where it hands on what is no site's.
 */
export function renderCorefile(plan: MeshPlan, inside: string, root = ""): string {
  const block = (zone: string, bind: string, lines: readonly string[]) => [
    `${zone} {`,
    ...[`bind ${bind}`, "errors", ...lines].map((line) => `  ${line}`),
    "}",
  ];
  const both = `${plan.nameServer} ${inside}`;
  return [
    // Looks every two seconds whether this very file has changed.
    ...block(plan.site.zone, both, [
      "reload 2s 1s",
      `file ${root}${directories.state}/zone {`,
      "  reload 2s",
      "}",
    ]),
    ...plan.peers.flatMap(({ zone, prefix }) => {
      const asked = [
        `forward . ${addressAt(prefix, 0xfe)}`,
        `cache ${life.name} {`,
        `  denial 9984 ${life.none}`,
        "}",
      ];
      return [
        ...block(zone, plan.nameServer, asked),
        ...block(zone, inside, [
          `hosts ${root}${directories.state}/remote-hosts {`,
          `  ttl ${life.name}`,
          "  reload 2s",
          "  no_reverse",
          "  fallthrough",
          "}",
          ...asked,
        ]),
      ];
    }),
    // Whoever is asked next may ask here for the whole domain.
    ...block(plan.domain, inside, ["template IN ANY . {", "  rcode NXDOMAIN", "}"]),
    ...block(".", inside, [`forward . ${root}${directories.settings}/resolv.conf`]),
    "",
  ].join("\n");
}
