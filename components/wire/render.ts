import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { namespaceOf } from "../config/releases";
import type { ReleaseRequest } from "./plan";

/** Gives the Kubernetes objects that a release consists of. */
export type RenderRelease = (release: ReleaseRequest) => Promise<unknown[]>;

/** Of a cluster that does not exist: nobody is asked, whatever the operator's own kubeconfig says. */
const nowhere = "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n";

/**
 * Renders charts with the Helm of the Kubernetes provider, the one that installs them later. It takes no cluster, so
 * that it can be done in a preview before anything is there. Hooks are among the objects, tests are not.
 */
export class ChartRenderer extends pulumi.ComponentResource {
  readonly render: RenderRelease;

  /** @param kubernetesVersion - Of the cluster-to-be, for example `v1.29.10`. */
  constructor(name: string, kubernetesVersion: string, options?: pulumi.ComponentResourceOptions) {
    super("wiab:wire:ChartRenderer", name, {}, options);
    const provider = new kubernetes.Provider(`${name}-helm`, { kubeconfig: nowhere }, { parent: this });
    this.render = async ({ name: release, chart: { chart, version, repositoryOpts }, values }) => {
      const request = {
        ...(repositoryOpts || chart.startsWith("oci://") ? { chart, version } : { path: chart }),
        ...(repositoryOpts && { fetch_opts: repositoryOpts }),
        release_name: release,
        namespace: namespaceOf(release),
        kube_version: kubernetesVersion,
        values: await resolved(values),
      };
      const { result } = await pulumi.runtime.invoke(
        "kubernetes:helm:template",
        { jsonOpts: JSON.stringify(request) },
        { provider },
      );
      return result;
    };
    this.registerOutputs();
  }
}

/** Values without anything that would have to be waited for. */
const resolved = <T>(values: T): Promise<pulumi.Unwrap<T>> =>
  new Promise((resolve) => pulumi.output(values).apply((known) => resolve(known)));
