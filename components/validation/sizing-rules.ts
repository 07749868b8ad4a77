import { quote } from "../config/quote";
import type { Configuration } from "../config/schema";
import { planSizes } from "../data-services/cassandra/plan";
import { heapMiB as elasticsearchHeap } from "../data-services/elasticsearch/plan";
import { memoryMiB as minioMemory } from "../data-services/minio/plan";
import { planMemory as postgresqlMemory } from "../data-services/postgresql/plan";
import { calendarProblem } from "./calendar";
import type { Problem, Sections } from "./problem";

/** What kubeadm's own checks ask of a control plane: 1700 MiB for the system, which a machine of 2 GiB has left. */
const controlPlane = { vcpus: 2, memoryGiB: 2 } as const;

/** Each is a member of etcd, which recommends no more than seven (etcd's FAQ: a majority of more is slower). */
const mostKubenodes = 7;
/** MinIO makes one erasure set of one disk a node, and such a set has sixteen at most. */
const mostDatanodes = 15;

/** What the operating system of a data node needs besides its services, in MiB. */
const systemMiB = 256;

/** What would fail on the machines, late in a run, measured before it. */
export function sizingRules({
  machines,
  dataServices,
  backup,
}: Sections<"machines" | "dataServices" | "backup">): Problem[] {
  const problems: Problem[] = [];
  const count = (role: string) => machines.filter((machine) => machine.role === role).length;
  for (const [role, most, reason] of [
    ["kubenode", mostKubenodes, "each is a member of etcd"],
    ["datanode", mostDatanodes, "each is a disk of MinIO's one erasure set"],
  ] as const)
    if (count(role) > most)
      problems.push({
        key: "machines",
        message: `${count(role)} ${role}s are too many: ${reason}; at most ${most}`,
      });

  machines.forEach(({ name, role, vcpus, memoryGiB }, index) => {
    const key = `machines[${index}]`;
    if (role === "kubenode") {
      if (vcpus < controlPlane.vcpus)
        problems.push({
          key: `${key}.vcpus`,
          message: `${name}: ${vcpus} is too few for a control plane of Kubernetes; at least ${controlPlane.vcpus}`,
        });
      if (memoryGiB < controlPlane.memoryGiB)
        problems.push({
          key: `${key}.memoryGiB`,
          message: `${name}: ${memoryGiB} GiB are too few for a control plane of Kubernetes; at least ${controlPlane.memoryGiB}`,
        });
    }
    if (role === "datanode") problems.push(...heapProblems(name, { memoryGiB, vcpus }, dataServices));
  });
  const schedule = calendarProblem(backup.schedule);
  if (schedule) problems.push({ key: "backup.schedule", message: schedule });
  return problems;
}

/** The heaps that were asked for, with what the other services take of the same machine. */
function heapProblems(
  name: string,
  machine: { readonly memoryGiB: number; readonly vcpus: number },
  { cassandra, elasticsearch }: Configuration["dataServices"],
): Problem[] {
  const asked = [
    ["dataServices.cassandra.heapMiB", cassandra.heapMiB],
    ["dataServices.elasticsearch.heapMiB", elasticsearch.heapMiB],
  ] as const;
  const sizes = planSizes(machine, cassandra.heapMiB);
  const needed = {
    heaps: sizes.heap + (elasticsearch.heapMiB ?? elasticsearchHeap(machine)),
    beside:
      sizes.direct + postgresqlMemory(machine.memoryGiB).sharedBuffers + minioMemory(machine) + systemMiB,
  };
  const memory = machine.memoryGiB * 1024;
  if (needed.heaps + needed.beside <= memory) return [];
  return asked.flatMap(([key, value]) =>
    value === undefined
      ? []
      : [
          {
            key,
            message: `${quote(value)} MiB do not fit into ${name}: the heaps of Cassandra and Elasticsearch have ${quote(Math.round(needed.heaps))} MiB together, what is beside them on the machine takes ${quote(Math.round(needed.beside))}, and it has ${memory} MiB`,
          },
        ],
  );
}
