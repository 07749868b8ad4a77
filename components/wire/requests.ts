import { quote } from "../config/quote";
import type { Amount } from "../kubernetes/room";

/** Pods of one kind, by what they ask for. */
export interface Asked extends Amount {
  /** As `kubectl get` names what makes them: `Deployment brig`. */
  readonly what: string;
  readonly name: string;
  /** How many there are for good; with `everyNode` one on each node instead. */
  readonly pods: number;
  readonly everyNode: boolean;
  /**
   * Whether there is one more for a while, which waits until it has room and gives it back: a job, or the new pod that an
   * update begins with where no old one may go before.
   */
  readonly passing: boolean;
  /** Labels that a node has to have. */
  readonly selector: Readonly<Record<string, string>>;
}

/** The parts of Kubernetes objects that say what is asked for. */
interface KubernetesObject {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: Spec;
  /** Of a `List`. */
  readonly items?: readonly KubernetesObject[];
}
interface Spec extends PodSpec {
  readonly replicas?: number;
  readonly strategy?: {
    readonly type?: string;
    readonly rollingUpdate?: {
      readonly maxSurge?: number | string;
      readonly maxUnavailable?: number | string;
    };
  };
  readonly template?: { readonly spec?: PodSpec };
  readonly jobTemplate?: { readonly spec?: Spec };
}
interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly (Container & { readonly restartPolicy?: string })[];
  readonly overhead?: Quantities;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly resources?: Resources;
}
interface Container {
  readonly resources?: Resources;
}
interface Resources {
  readonly requests?: Quantities;
  readonly limits?: Quantities;
}
type Quantities = Readonly<Partial<Record<keyof Amount, string | number>>>;

/**
 * What the pods of rendered objects ask the scheduler for.
 * @throws Error for an amount that Kubernetes would not take.
 */
export const askedBy = (objects: readonly unknown[]): Asked[] =>
  (objects as readonly KubernetesObject[]).flatMap((object) =>
    object.items ? askedBy(object.items) : (askedByOne(object) ?? []),
  );

function askedByOne({ kind = "", metadata, spec = {} }: KubernetesObject): Asked | undefined {
  const hook = metadata?.annotations?.["helm.sh/hook"];
  if (hook !== undefined && !/(pre|post)-(install|upgrade)/.test(hook)) return undefined;
  const job = kind === "CronJob" ? (spec.jobTemplate?.spec ?? {}) : spec;
  const pod = kind === "Pod" ? spec : job.template?.spec;
  const many = numbersOf[kind]?.(job);
  if (!pod || !many) return undefined;
  const name = metadata?.name ?? "";
  const what = `${kind} ${name}`;
  try {
    return {
      ...{ what, name, selector: pod.nodeSelector ?? {} },
      ...(hook === undefined ? many : passing),
      ...{ cpu: requestOf(pod, "cpu"), memory: requestOf(pod, "memory") / 2 ** 20 },
    };
  } catch (error) {
    throw new Error(`${what} ${(error as Error).message}`);
  }
}

type Numbers = Pick<Asked, "pods" | "everyNode" | "passing">;

const passing: Numbers = { pods: 0, everyNode: false, passing: true };
const lasting = (pods: number): Numbers => ({ pods, everyNode: false, passing: false });

/** How many pods an object makes, by its kind; others make none. */
const numbersOf: Readonly<Record<string, (spec: Spec) => Numbers>> = {
  Deployment: (spec) => ({ ...lasting(spec.replicas ?? 1), passing: beginsWithOneMore(spec) }),
  StatefulSet: ({ replicas = 1 }) => lasting(replicas),
  ReplicaSet: ({ replicas = 1 }) => lasting(replicas),
  ReplicationController: ({ replicas = 1 }) => lasting(replicas),
  DaemonSet: () => ({ pods: 0, everyNode: true, passing: false }),
  Pod: () => lasting(1),
  Job: () => passing,
  CronJob: () => passing,
};

/** Whether an update of a deployment has a new pod ready before it ends an old one. */
function beginsWithOneMore({ replicas = 1, strategy }: Spec): boolean {
  if (replicas === 0 || strategy?.type === "Recreate") return false;
  const { maxSurge = "25%", maxUnavailable = "25%" } = strategy?.rollingUpdate ?? {};
  const share = (value: number | string, round: (number: number) => number) =>
    typeof value === "number" || !value.endsWith("%")
      ? Number(value)
      : round((replicas * Number.parseFloat(value)) / 100);
  // Where both come to none, one of them may go after all.
  return share(maxUnavailable, Math.floor) === 0 && share(maxSurge, Math.ceil) > 0;
}

/**
 * What a pod is scheduled by (Kubernetes' "effective request"): its containers together, or whichever of those that run
 * before them asks for more; such as stay beside them count from their turn on.
 */
function requestOf(
  { containers = [], initContainers = [], overhead, resources }: PodSpec,
  resource: keyof Amount,
): number {
  const amount = (quantities: Quantities | undefined) => quantityOf(quantities?.[resource], resource);
  const requested = (of: Resources | undefined) =>
    // Where there is a limit alone, it is the request too.
    amount(of?.requests?.[resource] === undefined ? of?.limits : of.requests);
  let beside = 0;
  let before = 0;
  for (const { resources: own, restartPolicy } of initContainers) {
    if (restartPolicy === "Always") beside += requested(own);
    before = Math.max(before, beside + (restartPolicy === "Always" ? 0 : requested(own)));
  }
  const together = containers.reduce((sum, { resources: own }) => sum + requested(own), beside);
  const ofPod = requested(resources);
  return (ofPod > 0 ? ofPod : Math.max(together, before)) + amount(overhead);
}

const powers = ["", "k", "M", "G", "T", "P", "E"];
/** Factors of Kubernetes' suffixes; a capital K is none of its. */
const factors: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3 },
  ...Object.fromEntries(powers.map((suffix, power) => [suffix, 1000 ** power])),
  ...Object.fromEntries(
    powers.slice(1).map((suffix, power) => [`${suffix.toUpperCase()}i`, 1024 ** (power + 1)]),
  ),
};

/** A quantity as Kubernetes writes it, in bytes or in thousandths of a processor. @throws Error for one that is none. */
function quantityOf(value: string | number | undefined, resource: keyof Amount): number {
  if (value === undefined || value === null) return 0;
  const [, digits, suffix = ""] = /^\+?(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)([A-Za-z]*)$/.exec(`${value}`) ?? [];
  const factor = factors[suffix];
  if (digits === undefined || factor === undefined)
    throw new Error(
      `asks for ${quote(value)} as its ${resource}, which is no quantity of Kubernetes': ` +
        (resource === "cpu" ? "write 500m or 2" : "write 512Mi or 2Gi"),
    );
  return Number(digits) * factor * (resource === "cpu" ? 1000 : 1);
}
