import { addressAt, addressOf, canonical, prefixFor } from "./mesh-addresses";
import { labelOf, type Settled, settle } from "./mesh-names";
import { everything, type MeshConfiguration } from "./mesh-schema";
import { ingressNodePorts } from "./ports";

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
  /** Host and port in the site's own network, in the order in which they are tried. */
  readonly targets: readonly string[];
  /** Zones of the sites that may use it. */
  readonly peers: readonly string[];
}

/** Who may use a name that joins the site by itself. */
export interface MeshAccess {
  /** Its label, or `*` for those without an entry of their own. */
  readonly label: string;
  /** None are all. */
  readonly ports: readonly number[];
  /** Zones of the sites that may use it. */
  readonly peers: readonly string[];
}

/** What of the site's own network is reached from others. */
export interface MeshSurroundings {
  /** Where the gateway is reached unless the configuration says otherwise. */
  readonly publicAddress: string;
  readonly machines: readonly { readonly name: string; readonly address: string }[];
  /** Addresses of the nodes that take what clients of Wire send. */
  readonly ingress: readonly string[];
  /** IPv4 network of the pods. @default there are none */
  readonly pods?: string;
}

/** All that follows from the configuration of a mesh. */
export interface MeshPlan {
  /** Name of the gateway's machine. */
  readonly gateway: string;
  /** Domain below which the sites' zones lie. */
  readonly domain: string;
  readonly site: MeshSite;
  /** Address of the site's name server in the overlay. */
  readonly nameServer: string;
  /** Address of the gateway in the overlay, which it speaks to others from. */
  readonly gatewayAddress: string;
  readonly port: number;
  /** Bytes. */
  readonly mtu: number;
  /** IPv4 network with an address for each name of another site's. */
  readonly ipv4Network: string;
  /** IPv4 networks that may use it. */
  readonly callers: readonly string[];
  readonly peers: readonly MeshSite[];
  readonly services: readonly MeshService[];
  readonly access: readonly MeshAccess[];
  /** What becomes of a later name with the same label, here and for what joins by itself. */
  readonly collisions: "refuse" | "suffix";
  /** What became of each name. */
  readonly names: readonly Settled[];
}

/** Works out a mesh. Pure: the same configuration gives the same plan, on every site that has it. */
export function planMesh(mesh: MeshConfiguration, around: MeshSurroundings): MeshPlan {
  const siteOf = ({ site, zone = `${site}.${mesh.domain}`, prefix, endpoint, port }: Place): MeshSite => ({
    zone,
    prefix: canonical(prefix ?? prefixFor(zone, mesh.range)),
    endpoint: `${endpoint}:${port}`,
  });
  const site = siteOf({ ...mesh, endpoint: mesh.endpoint ?? around.publicAddress });
  const peers = mesh.peers.map(siteOf);
  const offers = offersOf(mesh, around);
  const claims = new Map(offers.map((offer) => [`${offer.source}/${offer.name}`, offer]));
  const names = settle(
    [...claims.values()].map(({ source, name }, created) => ({ source, id: name, name, created })),
    mesh.collisions,
  );
  const labels = new Map(
    names.flatMap((one) => ("label" in one ? [[`${one.claim.source}/${one.claim.id}`, one.label]] : [])),
  );
  const zoneOf = new Map(mesh.peers.map((peer, index) => [peer.site, (peers[index] as MeshSite).zone]));
  const zonesOf = (allowed: readonly string[] = [...zoneOf.keys()]) =>
    allowed.flatMap((peer) => zoneOf.get(peer) ?? []);
  return {
    gateway: mesh.gateway,
    domain: mesh.domain,
    site,
    nameServer: addressAt(site.prefix, 0xfe),
    gatewayAddress: addressAt(site.prefix, 0xff),
    port: mesh.port,
    mtu: mesh.mtu,
    ipv4Network: mesh.ipv4Network,
    callers: [
      ...around.machines.map(({ address }) => `${address}/32`),
      ...(around.pods ? [around.pods] : []),
    ],
    peers,
    services: offers.flatMap(({ source, name, protocol, port, targets, peers: allowed }) => {
      const label = labels.get(`${source}/${name}`);
      if (label === undefined) return [];
      const address = addressOf(site.prefix, label);
      return [{ label, address, protocol, port, targets, peers: zonesOf(allowed) }];
    }),
    access: mesh.access.map(({ name, ports = [], peers: allowed }) => ({
      label: name === everything ? name : labelOf(name).toLowerCase(),
      ports,
      peers: zonesOf(allowed),
    })),
    collisions: mesh.collisions,
    names,
  };
}

/** A port of a name, and where it is served. */
interface Offer {
  /** What the name comes from. */
  readonly source: "configuration" | "machine";
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly targets: readonly string[];
  /** Names of the sites that may use it; undefined for all. */
  readonly peers?: readonly string[] | undefined;
}

/** What the configuration offers, and then what it has machines offer. */
function offersOf({ services, machinePorts }: MeshConfiguration, around: MeshSurroundings): Offer[] {
  const ingress = (port: number) =>
    around.ingress.map((node) => `${node}:${ingressNodePorts[port === 80 ? "http" : "https"]}`);
  return [
    ...services.map(({ target, ...service }) => ({
      ...service,
      source: "configuration" as const,
      targets: target === "ingress" ? ingress(service.port) : [target],
    })),
    ...around.machines.flatMap(({ name, address }) =>
      machinePorts.map((port) => ({
        ...{ source: "machine" as const, name, protocol: "tcp" as const, port },
        targets: [`${address}:${port}`],
      })),
    ),
  ];
}

interface Place {
  readonly site: string;
  readonly zone?: string | undefined;
  readonly prefix?: string | undefined;
  readonly endpoint: string;
  readonly port: number;
}
