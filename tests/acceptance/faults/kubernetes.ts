import { waitFor } from "../../../lab/wait";
import type { RemoteMachine } from "../verify/machine";

/** Throws unless every node is ready and the API server of each one says so itself. */
export async function clusterIsHealthy(machine: RemoteMachine): Promise<void> {
  const { items } = JSON.parse(await machine.kubectl("--request-timeout 10s get nodes --output json"));
  for (const { metadata, status } of items) {
    const of = (list: { type: string }[], type: string) => list.find((entry) => entry.type === type);
    const ready = of(status.conditions, "Ready") as { status: string; message: string } | undefined;
    if (ready?.status !== "True") throw new Error(`${metadata.name} is not ready: ${ready?.message}`);
    const { address } = of(status.addresses, "InternalIP") as unknown as { address: string };
    await machine.kubectl(`--request-timeout 10s --server https://${address}:6443 get --raw /readyz`);
  }
}

const name = "wiab-wanderer";

/** A pod that prefers a node, and gives it up ten seconds after Kubernetes has: its default are five minutes. */
const wanderer = (node: string): object => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, namespace: "default" },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 1,
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 100,
                preference: {
                  matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }],
                },
              },
            ],
          },
        },
        tolerations: ["unreachable", "not-ready"].map((state) => ({
          key: `node.kubernetes.io/${state}`,
          operator: "Exists",
          effect: "NoExecute",
          tolerationSeconds: 10,
        })),
        containers: [{ name: "hello", image: "docker.io/library/hello:1", args: ["serve", ":8080"] }],
      },
    },
  },
});

/** Where the pod is up; undefined while it is nowhere. */
async function whereabouts(machine: RemoteMachine): Promise<string | undefined> {
  const pods = JSON.parse(
    await machine.kubectl(`--request-timeout 10s get pods --selector app=${name} --output json`),
  );
  // biome-ignore lint/suspicious/noExplicitAny: what Kubernetes answers
  const up = pods.items.find(({ metadata, status }: any) => {
    const ready = status.conditions?.find(({ type }: { type: string }) => type === "Ready");
    return ready?.status === "True" && !metadata.deletionTimestamp;
  });
  return up?.spec.nodeName;
}

/**
 * Has a pod run on a node, does the node harm, and gives the seconds until Kubernetes has the pod up on another one.
 * @throws Error if that takes more than five minutes.
 */
export async function podsMove(
  machine: RemoteMachine,
  node: string,
  harm: () => Promise<void>,
): Promise<number> {
  try {
    await machine.kubectl("apply --filename -", JSON.stringify(wanderer(node)));
    await waitFor(`a pod on ${node}`, 120, async () => {
      if ((await whereabouts(machine)) !== node) throw new Error("it is not up there");
    });
    const struck = Date.now();
    await harm();
    await waitFor(`the pod of ${node} elsewhere`, 300, async () => {
      const place = await whereabouts(machine);
      if (place === undefined || place === node)
        throw new Error(`it is ${place ? `on ${place}` : "nowhere"}`);
    });
    return (Date.now() - struck) / 1000;
  } finally {
    await machine.kubectl(`delete deployment ${name} --ignore-not-found --wait=false`);
  }
}
