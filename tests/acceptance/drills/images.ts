import { waitFor } from "../../../lab/wait";
import { plugsOf } from "../faults/power";
import { writerPod } from "./failover";
import type { Drill, DrillGround } from "./ground";

const pod = "drill-writer";

/** Seconds until a pull that has failed before is tried again, at most five minutes (kubelet), and the pod has started. */
const patience = 900;

/** Why the only container of a pod waits; empty if it runs. */
const waits = ({ kubectl }: DrillGround): Promise<string> =>
  kubectl(`get pod ${pod} --output 'jsonpath={.status.containerStatuses[0].state.waiting.reason}'`);

/**
 * A node has collected an image, as kubelet does when its disk fills, and the asset host is away when a pod there wants it:
 * the pod waits and says why, and starts by itself once the asset host is back.
 */
async function collected(ground: DrillGround): Promise<string> {
  const { namesOf, reach, kubectl, outputs } = ground;
  const node = namesOf("kubenode").at(-1) as string;
  const assetHost = namesOf("assethost")[0] as string;
  const image = (
    await kubectl("get deployment brig --output 'jsonpath={.spec.template.spec.containers[0].image}'")
  ).trim();
  const remove = () => kubectl(`delete pod,secret ${pod} --ignore-not-found --grace-period 1`);
  await remove();
  const { pause, resume } = plugsOf(outputs, assetHost);
  const list = writerPod(image, outputs.dataServices.postgresql) as {
    items: { kind: string; spec: Record<string, unknown> }[];
  };
  for (const { kind, spec } of list.items) if (kind === "Pod") spec.nodeName = node;
  let reason = "";
  try {
    await pause();
    try {
      await reach(node).run(`sudo crictl rmi ${image} >/dev/null`);
      await reach(namesOf("kubenode")[0] as string).kubectl("apply --filename -", JSON.stringify(list));
      reason = await waitFor("the pod to say what it waits for", patience, async () => {
        const now = (await waits(ground)).trim();
        if (!/^(ErrImagePull|ImagePullBackOff)$/.test(now)) throw new Error(now || "it waits for nothing");
        return now;
      });
    } finally {
      await resume();
    }
    await waitFor(`the pod on ${node} to write`, patience, async () => {
      if (!/record 1 acknowledged/.test(await kubectl(`logs ${pod}`))) throw new Error(await waits(ground));
    });
    await reach(node).run(`sudo crictl inspecti ${image} >/dev/null`);
  } finally {
    await remove();
  }
  return `a pod on ${node} waited with ${reason}, and wrote by itself once ${assetHost} was back`;
}

export const imageDrills: readonly Drill[] = [
  { name: "images collected while the asset host is away", hold: collected },
];
