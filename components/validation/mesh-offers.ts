import { isIPv4 } from "node:net";
import type { MeshPlan } from "../config/mesh";
import { settle } from "../config/mesh-names";
import { everything, type MeshConfiguration } from "../config/mesh-schema";
import { quote } from "../config/quote";
import type { Problem } from "./problem";

/** What is wrong with what a site offers by name, and with who may use what joins it by itself. */
export const offerProblems = (mesh: MeshConfiguration, plan: MeshPlan): Problem[] => [
  ...machineProblems(plan),
  ...declaredProblems(mesh, plan),
  ...accessProblems(mesh, plan),
];

/** The machines' names are there already, and have labels of their own unless a service has taken one. */
const machineProblems = ({ names }: MeshPlan): Problem[] =>
  names.flatMap((one) =>
    "refused" in one && one.claim.source === "machine"
      ? [{ key: "mesh.machinePorts", message: `the machine ${quote(one.claim.name)} ${one.refused}` }]
      : [],
  );

/** Why a service of the site's cannot be where it is said to be; undefined if it can. */
function targetProblem(target: string): string | undefined {
  const [host = "", port] = target.split(":");
  if (Number(port) > 65535) return `${port} is no port: at most 65535`;
  if (/^(localhost|127\..*|0\.0\.0\.0)$/.test(host))
    return "is the gateway itself: give the machine's address in the site's network";
  return /^[\d.]+$/.test(host) && !isIPv4(host) ? "is no IPv4 address: four numbers up to 255" : undefined;
}

function declaredProblems(mesh: MeshConfiguration, { names, services: planned }: MeshPlan): Problem[] {
  const { services } = mesh;
  return services.flatMap(({ name, protocol, port, target, peers: allowed = [] }, index) => {
    const misplaced = targetProblem(target);
    const settled = names.find(({ claim }) => claim.source === "configuration" && claim.id === name);
    const nowhere =
      planned.some(({ targets }) => targets.length === 0) && services[index]?.target === "ingress";
    const first = services.findIndex((other) => other.name === name);
    const twin = services.findIndex(
      (other) => other.name === name && other.protocol === protocol && other.port === port,
    );
    return [
      ...(protocol === "udp" && services[index]?.target === "ingress"
        ? [{ key: `mesh.services[${index}].protocol`, message: "is udp, which the ingress does not take" }]
        : []),
      ...(nowhere
        ? [
            {
              key: `mesh.services[${index}].target`,
              message: "is ingress, which takes a kubenode that stays",
            },
          ]
        : []),
      ...(misplaced === undefined ? [] : [{ key: `mesh.services[${index}].target`, message: misplaced }]),
      ...(settled && "refused" in settled && first === index
        ? [{ key: `mesh.services[${index}].name`, message: `${quote(name)} ${settled.refused}` }]
        : []),
      ...(twin < index
        ? [
            {
              key: `mesh.services[${index}].port`,
              message: `${port}/${protocol} of that name is mesh.services[${twin}]'s already`,
            },
          ]
        : []),
      ...strangers(mesh, `mesh.services[${index}].peers`, allowed),
    ];
  });
}

function accessProblems(mesh: MeshConfiguration, { names }: MeshPlan): Problem[] {
  const declared = new Map(names.flatMap((one) => ("label" in one ? [[one.label, one.claim] as const] : [])));
  return mesh.access.flatMap(({ name, peers = [] }, index) => {
    const key = `mesh.access[${index}]`;
    const [settled] = settle([{ source: "mesh.access", id: name, name, created: 0 }], "refuse");
    const holder = settled && "label" in settled ? declared.get(settled.label) : undefined;
    return [
      ...(settled && "refused" in settled && name !== everything
        ? [{ key: `${key}.name`, message: `${quote(name)} ${settled.refused}` }]
        : []),
      ...(holder
        ? [
            {
              key: `${key}.name`,
              message: `${quote(name)} is a ${holder.source === "machine" ? "machine, which mesh.machinePorts lets all peers use" : "service of mesh.services, which has peers of its own"}`,
            },
          ]
        : []),
      ...strangers(mesh, `${key}.peers`, peers),
    ];
  });
}

/** Sites that nobody knows. One of a stack that is not there yet may have any name. */
const strangers = (
  { peers, stacks }: Pick<MeshConfiguration, "peers" | "stacks">,
  key: string,
  allowed: readonly string[],
): Problem[] =>
  allowed.flatMap((peer, index) =>
    stacks.length > 0 || peers.some(({ site }) => site === peer)
      ? []
      : [{ key: `${key}[${index}]`, message: `${quote(peer)} is no site of mesh.peers` }],
  );
