import * as pulumi from "@pulumi/pulumi";
import { ClusterApi } from "./api";
import { explainRelease } from "./evidence";
import { unlockRelease } from "./unlock";

/** The inputs of a Helm release that the hooks look at, as the engine hands them over. */
interface ReleaseInputs {
  readonly name: string;
  readonly namespace: string;
}

/**
 * What happens around the work of Helm: before it, a lock that a killed Helm has left is taken away; if it fails, the
 * error gets what the pods say. docs/adr has why.
 * @param name - Distinguishes these hooks from others in the program.
 */
export function releaseHooks(name: string, kubeconfig: pulumi.Output<string>): pulumi.ResourceHookBinding {
  const api = async () => new ClusterApi(await settled(kubeconfig));
  const unlock = new pulumi.ResourceHook(`${name}-unlock`, async ({ newInputs }) => {
    const { name, namespace } = newInputs as ReleaseInputs;
    const removed = await unlockRelease(await api(), namespace, name);
    if (removed.length > 0)
      void pulumi.log.warn(
        `${name}: an earlier run was killed while Helm was at work; removed ${removed.join(", ")}`,
      );
  });
  const explain = new pulumi.ErrorHook(`${name}-explain`, async ({ newInputs, failedOperation }) => {
    if (failedOperation === "delete") return false;
    const { name, namespace } = newInputs as ReleaseInputs;
    const text = await api()
      .then((cluster) => explainRelease(cluster, namespace, name))
      .catch((error: Error) => `what the pods say cannot be had: ${error.message}`);
    await pulumi.log.error(`Helm release ${name} is not up:\n${text}`);
    return false;
  });
  return { beforeCreate: [unlock], beforeUpdate: [unlock], onError: [explain] };
}

const settled = (output: pulumi.Output<string>): Promise<string> =>
  new Promise((resolve) => output.apply(resolve));
