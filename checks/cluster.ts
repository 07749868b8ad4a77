import { checkDays } from "./machines";
import type { Report } from "./report";

/** What could not be found out, in the place of what should have been. */
interface Unknown {
  readonly error?: string;
}

/** What programs/cluster.py gives. */
export interface ClusterFacts {
  readonly apiServers: Readonly<Record<string, Unknown>>;
  readonly etcd: Unknown & {
    readonly members?: readonly {
      readonly endpoint: string;
      readonly leader: number;
      readonly bytes: number;
      readonly index: number;
      readonly learner: boolean;
    }[];
    readonly alarms?: readonly string[];
    readonly said?: string;
  };
  readonly nodes: readonly {
    readonly name: string;
    readonly ready: boolean;
    readonly pressure: readonly string[];
    readonly cordoned: boolean;
    readonly kubelet: string;
    readonly runtime: string;
  }[];
  readonly pods: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly node?: string | null;
    /** Seconds. */
    readonly age: number;
    readonly done: boolean;
    readonly ready: boolean;
    readonly why: string;
    /** Why its containers have ended within ten minutes. */
    readonly restarted: readonly string[];
    readonly images: readonly { readonly image: string; readonly id: string }[];
  }[];
  readonly workloads: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly wanted: number;
    readonly ready: number;
  }[];
  readonly volumes: readonly { readonly name: string; readonly phase: string }[];
  /** Of each pod the line of complaint that it has written most often. */
  readonly complaints: readonly {
    readonly namespace: string;
    readonly pod: string;
    readonly container: string;
    readonly minutes: number;
    readonly count: number;
    readonly text: string;
  }[];
  readonly releases: Readonly<
    Record<string, { readonly status: string; readonly revision: number; readonly chart: string }>
  > &
    Unknown;
  readonly certificates: readonly { readonly name: string; readonly days: number }[] | Unknown;
  readonly warnings:
    | readonly {
        readonly kind: string;
        readonly name: string;
        readonly reason: string;
        readonly count: number;
        readonly message: string;
      }[]
    | Unknown;
}

/** What the stack says should be there. */
export interface ClusterPlan {
  readonly controlPlanes: Readonly<Record<string, string>>;
  /** Chart versions of the releases that the last run has left. */
  readonly charts: Readonly<Record<string, string>>;
}

/** From which size on etcd is near the 2 GiB at which it takes no more writes. */
const largestEtcd = 1.5e9;

/** Seconds between two times that a pod writes the same complaint, from which on it goes on: it says so every half minute. */
const often = 30;

/**
 * Seconds that a pod has to find what it depends on: until then it may begin anew, and complain. Emulated machines take
 * minutes for each.
 */
const settled = 1200;

/** Judges what the cluster says of itself. */
export async function checkCluster(report: Report, plan: ClusterPlan, facts: ClusterFacts): Promise<void> {
  for (const name of Object.keys(plan.controlPlanes))
    await report.check(`${name}: API server`, () => {
      const error = (facts.apiServers[name] ?? { error: "was not asked" }).error;
      if (error) throw new Error(`${error}: crictl ps --name kube-apiserver and its log on ${name}`);
      return "ready";
    });
  await report.check("etcd", () => checkEtcd(facts.etcd, Object.keys(plan.controlPlanes).length));
  for (const name of Object.keys(plan.controlPlanes))
    await report.check(`${name}: node`, () => checkNode(facts.nodes, name));
  await report.check("pods", () => checkPods(facts.pods));
  await report.check("restarts", () => {
    const wrong = facts.pods.filter(({ restarted, age }) => restarted.length > 0 && age > settled);
    if (wrong.length > 0)
      throw new Error(
        wrong
          .map(
            ({ namespace, name, restarted }) =>
              `${namespace}/${name} within ten minutes: ${restarted.join(", ")}`,
          )
          .join("\n"),
      );
    return "none within ten minutes";
  });
  await report.check("deployments", () => {
    const short = facts.workloads.filter(({ wanted, ready }) => ready < wanted);
    if (short.length > 0)
      throw new Error(
        short
          .map((each) => `${each.kind} ${each.namespace}/${each.name}: ${each.ready} of ${each.wanted} ready`)
          .join("\n"),
      );
    return `${facts.workloads.length} have all that they want`;
  });
  await report.check("logs of pods", () => checkComplaints(facts));
  await report.check("warnings", () => {
    const young = youngIn(facts.pods);
    const warnings = known(facts.warnings).filter(({ name, count }) => count >= 5 && !young.has(name));
    if (warnings.length > 0)
      throw new Error(
        warnings
          .map(
            ({ kind, name, reason, count, message }) =>
              `${kind} ${name}: ${reason}, ${count} times: ${message}`,
          )
          .join("\n"),
      );
    return "none that came five times and within ten minutes";
  });
  await report.check("volumes", () => {
    const wrong = facts.volumes.filter(({ phase }) => phase === "Failed" || phase === "Pending");
    if (wrong.length > 0) throw new Error(wrong.map(({ name, phase }) => `${name} is ${phase}`).join(", "));
    return `${facts.volumes.length}`;
  });
  await report.check("images", () => checkImages(facts.pods));
  for (const [name, chart] of Object.entries(plan.charts))
    await report.check(`release ${name}`, () => checkRelease(facts.releases, name, chart));
  await report.check("certificates in the cluster", () =>
    checkDays(known(facts.certificates), ({ name }) => name),
  );
}

/** @throws Error where it is not known. */
function known<T>(found: readonly T[] | Unknown): readonly T[] {
  if ("error" in found) throw new Error(found.error);
  return found as readonly T[];
}

function checkEtcd({ error, members = [], alarms = [], said }: ClusterFacts["etcd"], wanted: number): string {
  if (error || said) throw new Error(error || said);
  if (alarms.length > 0)
    throw new Error(
      `alarm ${alarms.join(", ")}: etcd takes no writes. Restore a snapshot, or make room (etcdctl defrag, alarm disarm)`,
    );
  if (members.length < wanted) throw new Error(`${members.length} of ${wanted} members answer`);
  if (new Set(members.map(({ leader }) => leader)).size > 1)
    throw new Error("its members follow different leaders");
  const behind =
    Math.max(...members.map(({ index }) => index)) - Math.min(...members.map(({ index }) => index));
  if (behind > 1000) throw new Error(`a member is ${behind} entries behind`);
  const bytes = Math.max(...members.map((member) => member.bytes));
  if (bytes > largestEtcd)
    throw new Error(
      `${Math.round(bytes / 1e6)} MB large, and at 2 GiB it takes no more writes: etcdctl defrag`,
    );
  return `${members.length} members, ${behind} entries apart, ${Math.round(bytes / 1e6)} MB`;
}

function checkNode(nodes: ClusterFacts["nodes"], name: string): string {
  const node = nodes.find((each) => each.name === name);
  if (!node) throw new Error("the cluster has no such node");
  if (!node.ready) throw new Error("not ready: systemctl status kubelet there");
  if (node.pressure.length > 0) throw new Error(node.pressure.join(", "));
  if (node.cordoned) throw new Error(`takes no pods: kubectl uncordon ${name}, if nobody is at work on it`);
  const versions = new Set(nodes.map(({ kubelet }) => kubelet));
  if (versions.size > 1) throw new Error(`nodes have different versions: ${[...versions].join(", ")}`);
  return `ready, ${node.kubelet}, ${node.runtime}`;
}

function checkPods(pods: ClusterFacts["pods"]): string {
  const wrong = pods.filter(({ done, ready }) => !done && !ready);
  if (wrong.length > 0)
    throw new Error(
      wrong
        .map(
          ({ namespace, name, node, why }) =>
            `${namespace}/${name} on ${node ?? "no node"} is not ready${why && `: ${why}`}`,
        )
        .join("\n"),
    );
  return `${pods.filter(({ done }) => !done).length} ready`;
}

function checkComplaints({ complaints, pods }: Pick<ClusterFacts, "complaints" | "pods">): string {
  const young = youngIn(pods);
  const going = complaints.filter(
    ({ pod, count, minutes }) => (minutes * 60) / count <= often && !young.has(pod),
  );
  if (going.length > 0)
    throw new Error(
      going
        .map(
          ({ namespace, pod, container, count, minutes, text }) =>
            `${namespace}/${pod} (${container}), ${count} times in ${minutes} minutes: ${text}`,
        )
        .join("\n"),
    );
  return "none writes the same complaint again and again";
}

/** Names of pods that may begin anew still. */
const youngIn = (pods: ClusterFacts["pods"]): Set<string> =>
  new Set(pods.filter(({ age }) => age <= settled).map(({ name }) => name));

/** The same reference has to be the same image on every node. */
function checkImages(pods: ClusterFacts["pods"]): string {
  const ids = new Map<string, Set<string>>();
  for (const { image, id } of pods.flatMap(({ images }) => images))
    if (id) ids.set(image, (ids.get(image) ?? new Set()).add(id));
  const different = [...ids].filter(([, each]) => each.size > 1);
  if (different.length > 0)
    throw new Error(
      `not the same everywhere: ${different.map(([image]) => image).join(", ")}: crictl rmi it on the nodes, and delete its pods`,
    );
  return `${ids.size}, each the same wherever it runs`;
}

function checkRelease(releases: ClusterFacts["releases"], name: string, chart: string): string {
  if (releases.error) throw new Error(releases.error);
  const release = releases[name];
  if (!release) throw new Error("is not there: npm run pulumi -- up --refresh");
  if (release.status !== "deployed") throw new Error(`is ${release.status}: npm run pulumi -- up`);
  if (release.chart !== chart) throw new Error(`has chart ${release.chart}, and the last run left ${chart}`);
  return `chart ${chart}, revision ${release.revision}`;
}
