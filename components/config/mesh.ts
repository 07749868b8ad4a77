import { addressAt, addressOf, canonical, prefixFor } from "./mesh-addresses";
import { type Settled, settle } from "./mesh-names";
import type { MeshConfiguration } from "./mesh-schema";

/** A site of the mesh as everybody has to know it. */
export interface MeshSite {
  readonly zone: string;
  /** A /64 of the overlay. */
  readonly prefix: string;
  /** Host and port of its gateway, UDP and TCP. */
  readonly endpoint: string;
}

/** What a site offers to others by name. */
export interface MeshService {
  /** Label below the site's zone. */
  readonly label: string;
  /** Address of the name in the overlay. */
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Host and port in the site's own network. */
  readonly target: string;
  /** Zones of the sites that may use it. */
  readonly peers: readonly string[];
}

/** All that follows from the configuration of a mesh. */
export interface MeshPlan {
  /** Name of the gateway's machine. */
  readonly gateway: string;
  readonly site: MeshSite;
  /** Address of the site's name server in the overlay. */
  readonly nameServer: string;
  /** Address of the gateway in the overlay, which it speaks to others from. */
  readonly gatewayAddress: string;
  readonly port: number;
  /** Bytes. */
  readonly mtu: number;
  readonly peers: readonly MeshSite[];
  readonly services: readonly MeshService[];
  /** What became of each name. */
  readonly names: readonly Settled[];
}

/**
 * Works out a mesh. Pure: the same configuration gives the same plan, on every site that has it.
 * @param publicAddress - Where the gateway is reached unless the configuration says otherwise.
 */
export function planMesh(mesh: MeshConfiguration, publicAddress: string): MeshPlan {
  const siteOf = ({ site, zone = `${site}.${mesh.domain}`, prefix, endpoint, port }: Place): MeshSite => ({
    zone,
    prefix: canonical(prefix ?? prefixFor(zone, mesh.range)),
    endpoint: `${endpoint}:${port}`,
  });
  const site = siteOf({ ...mesh, endpoint: mesh.endpoint ?? publicAddress });
  const peers = mesh.peers.map(siteOf);
  const names = settle(
    [...new Set(mesh.services.map(({ name }) => name))].map((name, created) => ({
      source: "configuration",
      id: name,
      name,
      created,
    })),
    mesh.collisions,
  );
  const labels = new Map(names.flatMap((one) => ("label" in one ? [[one.claim.id, one.label]] : [])));
  const zoneOf = new Map(mesh.peers.map((peer, index) => [peer.site, (peers[index] as MeshSite).zone]));
  return {
    gateway: mesh.gateway,
    site,
    nameServer: addressAt(site.prefix, 0xfe),
    gatewayAddress: addressAt(site.prefix, 0xff),
    port: mesh.port,
    mtu: mesh.mtu,
    peers,
    services: mesh.services.flatMap(({ name, protocol, port, target, peers: allowed }) => {
      const label = labels.get(name);
      if (label === undefined) return [];
      const zones = (allowed ?? [...zoneOf.keys()]).flatMap((peer) => zoneOf.get(peer) ?? []);
      return [{ label, address: addressOf(site.prefix, label), protocol, port, target, peers: zones }];
    }),
    names,
  };
}

interface Place {
  readonly site: string;
  readonly zone?: string | undefined;
  readonly prefix?: string | undefined;
  readonly endpoint: string;
  readonly port: number;
}
