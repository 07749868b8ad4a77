import { quote } from "../config/quote";
import type { Configuration } from "../config/schema";
import { planSizes } from "../data-services/cassandra/plan";
import { heapMiB as elasticsearchHeap } from "../data-services/elasticsearch/plan";
import { memoryMiB as minioMemory } from "../data-services/minio/plan";
import { planMemory as postgresqlMemory } from "../data-services/postgresql/plan";
import { calendarProblem } from "./calendar";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";

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
    if (role === "datanode") problems.push(...heapProblems(name, key, { memoryGiB, vcpus }, dataServices));
  });
  const schedule = calendarProblem(backup.schedule);
  if (schedule) problems.push({ key: "backup.schedule", message: schedule });
  return problems;
}

/** What kubenodes promise to charts lies on their disks. */
export function volumeRules({
  machines,
  image,
  kubernetes: { volumes },
}: Sections<"machines" | "image" | "kubernetes">): Problem[] {
  const small = machines.find(
    ({ role, existing, diskGB }) =>
      role === "kubenode" && !existing && image && diskGB >= image.virtualSizeGB && diskGB < volumes.sizeGB,
  );
  return small && volumes.perNode > 0
    ? [
        {
          key: "kubernetes.volumes.sizeGB",
          message: `${quote(volumes.sizeGB)} GB is more than the whole disk of ${small.name} (${quote(small.diskGB)} GB), where the volumes lie`,
        },
      ]
    : [];
}

/** What etcd may come to, in GB: its default quota is 2 GiB (etcd's documentation, "System limits"). */
const etcdGB = 2 * 1.073741824;
/** What kubelet keeps free of a disk before it evicts pods: `nodefs.available` and `imagefs.available` are 10 % (kubelet.ts). */
const keptFree = 0.1;

/**
 * A kubenode keeps the system, etcd and the images that it runs. How large those are is known of an artifact alone, as files
 * that are packed: a lower bound.
 */
export function nodeDiskRules(
  { machines, artifact, image }: Sections<"machines" | "image"> & Partial<Sections<"artifact">>,
  { readManifest }: Surroundings,
): Problem[] {
  if (!image) return [];
  let bytes = 0;
  try {
    for (const { manifest } of artifact?.sources ?? [])
      for (const file of readManifest(manifest).files)
        if (file.image && file.image.set !== "adminhost") bytes += file.size;
  } catch {
    // As in storeRules.
    return [];
  }
  const least = (image.virtualSizeGB + etcdGB + bytes / 1e9) / (1 - keptFree);
  return machines.flatMap(({ name, role, existing, diskGB }, index) =>
    role === "kubenode" && !existing && diskGB >= image.virtualSizeGB && diskGB < least
      ? [
          {
            key: `machines[${index}].diskGB`,
            message: `${name}: ${quote(diskGB)} GB are too few for a kubenode: the system (${quote(image.virtualSizeGB)} GB), etcd (2.1 GB)${bytes > 0 ? `, the artifact's images (${(bytes / 1e9).toFixed(1)} GB)` : ""} and the tenth of the disk that kubelet keeps free; at least ${Math.ceil(least)}`,
          },
        ]
      : [],
  );
}

/** The asset host keeps every file of the artifact. */
export function storeRules(
  { machines, artifact, image }: Sections<"machines" | "artifact" | "image">,
  { readManifest }: Surroundings,
): Problem[] {
  const index = machines.findIndex(({ role, existing }) => role === "assethost" && !existing);
  const machine = machines[index];
  if (!artifact || !machine || !image) return [];
  let bytes = 0;
  try {
    for (const { manifest } of artifact.sources)
      for (const { size } of readManifest(manifest).files) bytes += size;
  } catch {
    // What is wrong with the artifact itself is artifactRules' to say.
    return [];
  }
  const least = image.virtualSizeGB + bytes / 1e9;
  return machine.diskGB < least
    ? [
        {
          key: `machines[${index}].diskGB`,
          message: `${machine.name}: ${quote(machine.diskGB)} GB are too few for the artifact, whose files have ${(bytes / 1e9).toFixed(1)} GB beside the system's ${quote(image.virtualSizeGB)}; at least ${Math.ceil(least)}, and some times that for later artifacts`,
        },
      ]
    : [];
}

/** The heaps that were asked for, with what the other services take of the same machine. */
function heapProblems(
  name: string,
  place: string,
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
  if (asked.every(([, value]) => value === undefined))
    return [
      {
        key: `${place}.memoryGiB`,
        message: `${name}: ${quote(machine.memoryGiB)} GiB are too few for the data services, which take ${quote(Math.round(needed.heaps + needed.beside))} MiB with the smallest heaps; at least ${quote(Math.ceil((needed.heaps + needed.beside) / 64) / 16)}`,
      },
    ];
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
