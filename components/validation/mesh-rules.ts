import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";
import { type ArtifactPlan, planArtifact } from "../artifact/plan";
import { contains } from "../config/addresses";
import { type MeshPlan, type MeshSite, planMesh } from "../config/mesh";
import { canonical, includes, lengthOf, overlap } from "../config/mesh-addresses";
import type { MeshConfiguration } from "../config/mesh-schema";
import { isGatewayAlone, meshSurroundings } from "../config/plan";
import { callingPorts } from "../config/ports";
import { quote } from "../config/quote";
import { planMeshPrograms } from "../mesh/plan";
import { machineProblems } from "../wire/certificate-strength";
import { ownNetworks, unreachable } from "./address-rules";
import {
  certificatesIn,
  type FoundIdentity,
  IdentityError,
  readIdentity,
  revocationsIn,
} from "./mesh-identity";
import { offerProblems } from "./mesh-offers";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";

type Meshed = Sections<
  "mesh" | "machines" | "network" | "kubernetes" | "firewall" | "domain" | "calling" | "host"
>;

/** What is wrong with the site's place in a mesh. */
export function meshRules(config: Meshed, surroundings: Surroundings): Problem[] {
  const { mesh } = config;
  if (!mesh) return [];
  const range = rangeProblems(mesh);
  // Nothing can be worked out of a range that is none.
  if (range.length > 0) return range;
  const plan = planMesh(mesh, meshSurroundings(config));
  return [
    ...placeProblems(mesh, config),
    ...siteProblems(mesh, plan),
    ...endpointProblems(mesh, config),
    ...offerProblems(mesh, plan),
    ...identityProblems(mesh, plan, surroundings),
  ];
}

/** A gateway alone has nowhere to install anything else. */
export function meshAloneRules({
  mesh,
  machines,
  wire,
  wasimoff,
}: Sections<"mesh" | "machines" | "wire" | "wasimoff">): Problem[] {
  if (!isGatewayAlone({ mesh, machines })) return [];
  const message = "takes kubenodes and datanodes, and machines has the gateway of a mesh alone";
  return [
    ...(wire.charts ? [{ key: "wire.charts", message }] : []),
    ...(wasimoff ? [{ key: "wasimoff", message }] : []),
  ];
}

/** The artifact has what a gateway runs. */
export function meshProgramRules(
  { mesh, artifact }: Sections<"mesh" | "artifact">,
  { readManifest }: Surroundings,
): Problem[] {
  if (!mesh || !artifact) return [];
  let plan: ArtifactPlan;
  try {
    plan = planArtifact(
      artifact.sources.map(({ manifest, location }) => ({ manifest: readManifest(manifest), location })),
    );
  } catch {
    // What is wrong with the artifact itself is artifactRules' to say.
    return [];
  }
  try {
    planMeshPrograms(plan);
    return [];
  } catch (error) {
    return [{ key: "artifact.sources", message: (error as Error).message }];
  }
}

function rangeProblems({ range, prefix, peers }: MeshConfiguration): Problem[] {
  if (!includes("fc00::/7", range) || lengthOf(range) > 64)
    return [
      { key: "mesh.range", message: `${range} must be a part of fc00::/7 with a prefix of /64 at most` },
    ];
  const given = [
    ["mesh.prefix", prefix] as const,
    ...peers.map((peer, index) => [`mesh.peers[${index}].prefix`, peer.prefix] as const),
  ];
  return given.flatMap(([key, network]) =>
    network === undefined || (lengthOf(network) === 64 && includes(range, network))
      ? []
      : [{ key, message: `${canonical(network)} must be a /64 within mesh.range (${range})` }],
  );
}

function placeProblems(
  { gateway, port, domain: below, site, endpoint }: MeshConfiguration,
  { machines, domain, calling, host, firewall }: Omit<Meshed, "mesh">,
): Problem[] {
  const taken = new Map([
    [80, "the ingress'"],
    [443, "the ingress'"],
    [host.ssh?.port ?? 22, "the host's SSH server's"],
    ...(calling.enabled ? [[callingPorts.turn, "calling's"] as const] : []),
  ]);
  const media = calling.enabled && port + 1 >= calling.firstMediaPort;
  const nextToCalling = calling.enabled && port + 1 === callingPorts.turn;
  const owner = media
    ? "one of calling's media ports"
    : (taken.get(port) ?? (nextToCalling ? "followed by calling's" : undefined));
  return [
    ...(machines.some(({ name }) => name === gateway)
      ? []
      : [{ key: "mesh.gateway", message: `${quote(gateway)} is the name of no machine` }]),
    ...(owner === undefined
      ? []
      : [{ key: "mesh.port", message: `${port} is ${owner} on the public address; choose another` }]),
    ...(firewall.hostPorts?.some((one) => [`tcp/${port}`, `udp/${port}`, `udp/${port + 1}`].includes(one))
      ? [{ key: "mesh.port", message: `${port} stays with the host (firewall.hostPorts); choose another` }]
      : []),
    ...(domain === below || domain.endsWith(`.${below}`) || `${site}.${below}` === domain
      ? [{ key: "mesh.domain", message: `${below} has the public domain ${domain} in it; choose another` }]
      : []),
    ...(endpoint !== undefined && isIPv4(endpoint) && endpoint.startsWith("127.")
      ? [{ key: "mesh.endpoint", message: `${endpoint} is every machine's own loopback` }]
      : []),
  ];
}

/** Whatever two sites have in common would send one's traffic to the other. */
function siteProblems(mesh: MeshConfiguration, { site, peers }: MeshPlan): Problem[] {
  const all = [
    { ...site, name: mesh.site },
    ...peers.map((peer, index) => ({ ...peer, name: mesh.peers[index]?.site })),
  ];
  const keyOf = (index: number) => (index === 0 ? "mesh" : `mesh.peers[${index - 1}]`);
  return all.flatMap((one, index) =>
    all.slice(0, index).flatMap((other, earlier) => {
      const twice = (part: string, value: string) => [
        { key: `${keyOf(index)}.${part}`, message: `${value} is that of ${keyOf(earlier)} already` },
      ];
      if (one.name === other.name) return twice("site", `${one.name}`);
      if (
        one.zone === other.zone ||
        one.zone.endsWith(`.${other.zone}`) ||
        other.zone.endsWith(`.${one.zone}`)
      )
        return [
          {
            key: `${keyOf(index)}.zone`,
            message: `${one.zone} lies in, or has in it, ${other.zone} of ${keyOf(earlier)}`,
          },
        ];
      if (overlap(one.prefix, other.prefix)) return twice("prefix", one.prefix);
      return one.endpoint === other.endpoint ? twice("endpoint", one.endpoint) : [];
    }),
  );
}

/** An endpoint inside one of the stack's own networks is never reached: packets for it stay here. */
function endpointProblems(
  { peers, endpoint }: MeshConfiguration,
  config: Pick<Meshed, "network" | "kubernetes">,
): Problem[] {
  const own = ownNetworks(config);
  const places = [
    ["mesh.endpoint", endpoint] as const,
    ...peers.map((peer, index) => [`mesh.peers[${index}].endpoint`, peer.endpoint] as const),
  ];
  return places.flatMap(([key, address]) => {
    if (address === undefined || !isIPv4(address)) return [];
    const inside = own.find(([, cidr]) => contains(cidr, address));
    const reason = unreachable(address);
    return [
      ...(inside
        ? [{ key, message: `${address} is inside ${inside[1]} (${inside[0]}), where this site itself is` }]
        : []),
      ...(reason ? [{ key, message: `${address} is in ${reason}` }] : []),
    ];
  });
}

function identityProblems(
  { identity }: MeshConfiguration,
  { site }: MeshPlan,
  surroundings: Surroundings,
): Problem[] {
  let found: FoundIdentity;
  try {
    found = readIdentity(identity, surroundings);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    return [{ key: `mesh.identity${error.key ? `.${error.key}` : ""}`, message: error.message }];
  }
  return [
    ...revocationProblems(identity.revocationsFile, surroundings),
    ...("certificate" in found ? certificateProblems(identity, site, found) : []),
  ];
}

function revocationProblems(file: string | undefined, { readText }: Surroundings): Problem[] {
  if (file === undefined) return [];
  const key = "mesh.identity.revocationsFile";
  try {
    revocationsIn(readText(file));
    return [];
  } catch (error) {
    return [{ key, message: (error as Error).message }];
  }
}

function certificateProblems(
  { zipFile }: MeshConfiguration["identity"],
  site: MeshSite,
  { certificate, privateKey, authority }: Extract<FoundIdentity, { readonly certificate: string }>,
): Problem[] {
  const key = `mesh.identity.${zipFile ? "zipFile" : "certificateFile"}`;
  const problems: Problem[] = [];
  const about = (message: string): void => {
    problems.push({ key, message });
  };
  try {
    const own = new X509Certificate(certificate);
    const wanted = [`DNS:${site.zone}`, `URI:urn:wiab:mesh:${site.prefix}`];
    const found = own.subjectAltName?.split(", ") ?? [];
    if ([...found].sort().join() !== [...wanted].sort().join())
      about(`is for ${found.join(", ") || "nobody"}; this site takes one for ${wanted.join(", ")}`);
    if (Date.parse(own.validTo) < Date.now()) about(`has run out on ${own.validTo}`);
    machineProblems(own).forEach(about);
    const [, ...behind] = certificatesIn(certificate, "certificateFile");
    const signers = [...behind, ...certificatesIn(authority, "authorityFile")];
    if (!signers.some((signer) => own.checkIssued(signer) && own.verify(signer.publicKey)))
      about("is of none of the authorities that sites are believed by (authorityFile)");
    if (!own.checkPrivateKey(createPrivateKey(privateKey)))
      about("is for another key than privateKeyFile has");
  } catch {
    about("and privateKeyFile hold no certificate and key in PEM");
  }
  return problems;
}
