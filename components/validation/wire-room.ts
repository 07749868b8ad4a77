import type { Plan } from "../config/plan";
import type { PodNetwork } from "../kubernetes/plan";
import { type Amount, dnsPods, roomOn } from "../kubernetes/room";
import { brokerDeployment, providerDeployment } from "../wasimoff/objects";
import type { ReleaseRequest } from "../wire/plan";
import type { RenderRelease } from "../wire/render";
import { type Asked, askedBy } from "../wire/requests";

/** A node, and what it has for pods. */
export interface RoomyNode extends Amount {
  readonly name: string;
  /** Whether it carries calls. */
  readonly calling: boolean;
}

/** Pods, and where the operator says what they ask for. */
interface Asking extends Asked {
  /** Empty where that is nowhere. */
  readonly key: string;
}

/** The nodes that will run pods. */
export const roomyNodes = (
  { servingKubenodes, callingNode }: Pick<Plan, "servingKubenodes" | "callingNode">,
  network: PodNetwork["kind"],
): RoomyNode[] =>
  servingKubenodes.map((node) => ({
    ...roomOn(node, network),
    name: node.name,
    calling: node.name === callingNode?.name,
  }));

/**
 * Renders the releases and adds up what their pods ask of the nodes. What is refused has no place however the scheduler
 * goes about it: more than the nodes have together, more than the one node has that pods are tied to, or pods larger than
 * what is left of each node.
 * @returns what is wrong; nothing if there is room, or a chart cannot be rendered at all.
 */
export async function roomProblems(
  releases: readonly ReleaseRequest[],
  nodes: readonly RoomyNode[],
  render: RenderRelease,
  wasimoff?: Plan["wasimoff"],
): Promise<string[]> {
  const problems: string[] = [];
  const asking: Asking[] = [clusterDns, ...askedByWasimoff(wasimoff)];
  for (const release of releases)
    try {
      const objects = await render(release).catch(() => []);
      for (const asked of askedBy(objects))
        asking.push({
          ...asked,
          key: valuesKey(release, asked.name),
          what: `${release.name}: ${asked.what}`,
        });
    } catch (error) {
      problems.push(`${release.name}: ${(error as Error).message} (wire.values.${release.name})`);
    }
  return [
    ...problems,
    ...new Look("memory", nodes, asking).problems(),
    ...new Look("cpu", nodes, asking).problems(),
  ];
}

const clusterDns: Asking = {
  ...dnsPods,
  ...{ what: "the cluster's DNS", name: "", key: "", everyNode: false, passing: false, selector: {} },
};

function askedByWasimoff(plan: Plan["wasimoff"]): Asking[] {
  if (!plan) return [];
  const deployment = (name: string, spec: object) => ({ kind: "Deployment", metadata: { name }, spec });
  const objects = [
    deployment("broker", brokerDeployment(plan, "")),
    ...(plan.mode === "public" ? [deployment("provider", providerDeployment(plan, undefined))] : []),
  ];
  return askedBy(objects).map((asked) => ({ ...asked, key: "wasimoff", what: `wasimoff: ${asked.what}` }));
}

/** Where a release's values are set, or those of the chart inside it that is called as the pods are. */
const valuesKey = ({ name, values }: ReleaseRequest, pods: string): string =>
  `wire.values.${name}${typeof values[pods] === "object" ? `.${pods}` : ""}`;

const units = {
  memory: { unit: "MiB", of: " of memory", key: "memoryGiB", scale: 1 },
  cpu: { unit: "vCPUs", of: "", key: "vcpus", scale: 1000 },
} as const;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** How many pods there are at most, where they are not on every node. */
const most = ({ pods, passing }: Asked): number => pods + (passing ? 1 : 0);

/** Whether pods may be on a node, by those labels that nodes are known to have; any node may have others. */
const mayBeOn = ({ selector }: Asked, { name, calling }: RoomyNode): boolean =>
  (selector["kubernetes.io/hostname"] ?? name) === name &&
  (selector["wire.com/role"] !== "calling" || calling);

/** A look at one resource of the nodes. */
class Look {
  /** Those that are not on every node. */
  private readonly pods: readonly Asking[];

  constructor(
    private readonly resource: keyof Amount,
    private readonly nodes: readonly RoomyNode[],
    private readonly asking: readonly Asking[],
  ) {
    this.pods = asking.filter(({ everyNode }) => !everyNode);
  }

  /** The first kind of problem that there is: the others would say the same again. */
  problems(): string[] {
    const { nodes, pods } = this;
    const [only] = nodes.length === 1 ? nodes : [];
    const together = this.shortage(only?.name ?? "the kubenodes together", nodes, pods);
    if (together.length > 0) return together;
    const tied = nodes.flatMap((node) => {
      const here = pods.filter((each) => nodes.every((other) => other === node || !mayBeOn(each, other)));
      return this.shortage(node.name, [node], here);
    });
    return tied.length > 0 ? tied : this.pieces();
  }

  /** Pods that have to be on some nodes against what those have. */
  private shortage(where: string, nodes: readonly RoomyNode[], pods: readonly Asking[]): string[] {
    const largest = this.largestPassing(pods);
    const lasting = sum(pods.map((each) => each.pods * each[this.resource]));
    const everywhere = sum(nodes.map((node) => this.onEvery(node)));
    const asked = lasting + everywhere + (largest?.[this.resource] ?? 0);
    const room = Math.max(0, sum(nodes.map((node) => node[this.resource])));
    if (asked <= room) return [];
    const besides = largest?.[this.resource] ? `, one more of ${largest.what} for a while among them` : "";
    const every = this.asking.filter(({ everyNode }) => everyNode);
    return [
      `the pods on ${where} ask for ${this.amount(asked)}${units[this.resource].of}${besides}, and there are ${this.amount(room)} for ` +
        `them beside what Kubernetes and the system keep: ${this.amount(asked - room)} are missing. ${this.remedy([...pods, ...every])}`,
    ];
  }

  /** The largest pods against the places for such that the nodes have: each takes whole ones. */
  private pieces(): string[] {
    const { resource, pods } = this;
    const passing = this.largestPassing(pods)?.[resource] ?? 0;
    const rooms = this.nodes.map((node) => node[resource] - this.onEvery(node));
    const sizes = [
      ...new Set([...pods.filter((each) => each.pods > 0).map((each) => each[resource]), passing]),
    ];
    for (const size of sizes.filter((each) => each > 0).sort((a, b) => b - a)) {
      const large = pods.filter((each) => each[resource] >= size);
      const wanted = sum(large.map((each) => each.pods)) + (passing >= size ? 1 : 0);
      const places = sum(rooms.map((room) => Math.max(0, Math.floor(room / size))));
      if (wanted > places)
        return [
          `places are missing for large pods: ${wanted} ask for ${this.amount(size)}${units[resource].of} or more, and the ` +
            `kubenodes have ${places} such places, for the largest room on one is ${this.amount(Math.max(...rooms))}. ${this.remedy(large)}`,
        ];
    }
    return [];
  }

  /** New pods and jobs wait for one another, so that room for one of them is enough. */
  private readonly largestPassing = (pods: readonly Asking[]): Asking | undefined =>
    pods.filter(({ passing }) => passing).sort((a, b) => b[this.resource] - a[this.resource])[0];

  private readonly onEvery = (node: RoomyNode): number =>
    sum(
      this.asking.filter((each) => each.everyNode && mayBeOn(each, node)).map((each) => each[this.resource]),
    );

  private readonly amount = (value: number): string => {
    const { unit, scale } = units[this.resource];
    return `${Number((value / scale).toFixed(2))} ${unit}`;
  };

  private remedy(asking: readonly Asking[]): string {
    const { resource } = this;
    const count = (each: Asking) => (each.everyNode ? this.nodes.length : most(each));
    const largest = [...asking]
      .sort((a, b) => count(b) * b[resource] - count(a) * a[resource])
      .slice(0, 3)
      .filter((each) => count(each) * each[resource] > 0)
      .map(
        (each) =>
          `${each.what}, ${count(each)} × ${this.amount(each[resource])}${each.key && ` (${each.key})`}`,
      );
    return `Most is asked for by ${largest.join("; ")}. Give the kubenodes more ${units[resource].key}, or have fewer pods or smaller requests by those values`;
  }
}
