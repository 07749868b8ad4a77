import type { Plan } from "../config/plan";
import type { Configuration, Role } from "../config/schema";
import type { Problem } from "./problem";
import type { RecordedMachine } from "./recorded";

/** What a machine of each role has on its disk, for whoever is about to lose it. */
const dataOf: Readonly<Record<Role, string>> = {
  assethost: "the backups of all services and the image registry",
  kubenode: "a member of etcd and the volumes of its pods",
  datanode: "its part of the data of Cassandra, PostgreSQL, Elasticsearch, MinIO and RabbitMQ",
  wickr: "what opens Wickr's encrypted disk",
};

/** What on a machine remembers its address and cannot be told another one. */
const boundToAddress: Readonly<Partial<Record<Role, string>>> = {
  kubenode: "its member of etcd and its certificates",
  datanode: "Cassandra's node, repmgr's member and MinIO's place in its set",
};

/**
 * Finds the edits that would take away what a machine of the stack holds, or leave its services at an address that it no
 * longer has. A disk may go only if it was let go in an earlier run, and nothing else is said of it now.
 */
export function findLosses(
  config: Pick<Configuration, "network">,
  plan: Pick<Plan, "machines" | "poolPath">,
  recorded: readonly RecordedMachine[],
): Problem[] {
  return recorded.flatMap((machine) => {
    const index = plan.machines.findIndex(({ name }) => name === machine.name);
    return [...diskProblems(config, plan, machine, index), ...identityProblems(plan, machine, index)];
  });
}

function diskProblems(
  { network }: Pick<Configuration, "network">,
  { machines, poolPath }: Pick<Plan, "machines" | "poolPath">,
  { name, disk, role }: RecordedMachine,
  index: number,
): Problem[] {
  const now = machines[index];
  if (!disk) return [];
  if (now && !now.existing && disk.path === `${poolPath}/${name}.qcow2` && disk.pool === network.name)
    return [];
  if (disk.disposition !== "keep" && (now === undefined || now.disk === disk.disposition)) return [];
  const loss = `the disk ${disk.path} of ${name} would be deleted, with ${role ? dataOf[role] : "all that is on it"}`;
  const letGo = "`disk: release` (or `disk: aside`, which leaves the file on the host) and run `up`";
  if (now === undefined)
    return [
      {
        key: "machines",
        message: `${name} is missing, and ${loss}. To keep it, put the machine back under that name. To let it go, put it back with ${letGo}; then take it out`,
      },
    ];
  const [key, wording] =
    now.existing !== undefined
      ? [`machines[${index}].existing`, "take that out again"]
      : disk.pool !== network.name
        ? ["network.name", `set it back to ${disk.pool}`]
        : ["host.poolPath", `set it back to ${disk.path.slice(0, disk.path.lastIndexOf("/"))}`];
  return [
    {
      key,
      message: `${loss}. To keep it, ${wording}. To let it go, do so, give ${name} ${letGo}; then change it`,
    },
  ];
}

function identityProblems(
  { machines }: Pick<Plan, "machines">,
  { name, address, role, ready }: RecordedMachine,
  index: number,
): Problem[] {
  const now = machines[index];
  if (!now || !ready) return [];
  if (role !== undefined && role !== now.role)
    return [
      {
        key: `machines[${index}].role`,
        message: `${name} was made as a ${role} and has ${dataOf[role]}. Set it back, and add a machine of another name`,
      },
    ];
  const bound = boundToAddress[now.role];
  if (bound === undefined || address === undefined || address === now.address) return [];
  return [
    {
      key: `machines[${index}].address`,
      message: `${name} is at ${address}, where ${bound} stay. Set it back, and add a machine of another name at ${now.address}; ${name} may retire then (retiring: true)`,
    },
  ];
}
