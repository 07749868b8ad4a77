import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parseYaml } from "../config/yaml";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";
import { directories } from "./files";

/** Arguments of {@link MeshServices}. */
export interface MeshServicesArgs {
  /** The gateway once it runs. */
  readonly target: Target;
  readonly provider: kubernetes.Provider;
  /** The administrator's, for the API's authority. */
  readonly kubeconfig: pulumi.Output<string>;
  /** Addresses of the nodes, each of which has the API and all node ports. */
  readonly nodes: readonly string[];
  /** What takes the cluster away when it goes itself. */
  readonly deletedWith?: pulumi.Resource;
}

/** Has a gateway see which services of a cluster ask for a name: an account that may list services, and nothing else. */
export class MeshServices extends pulumi.ComponentResource {
  constructor(name: string, args: MeshServicesArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:mesh:MeshServices", name, {}, options);
    const inCluster = { parent: this, provider: args.provider, deletedWith: args.deletedWith };
    const account = "wiab-mesh";
    const metadata = { name: account, namespace: "kube-system" };
    const holder = new kubernetes.core.v1.ServiceAccount(`${name}-account`, { metadata }, inCluster);
    const role = new kubernetes.rbac.v1.ClusterRole(
      `${name}-role`,
      { metadata: { name: account }, rules: [{ apiGroups: [""], resources: ["services"], verbs: ["list"] }] },
      inCluster,
    );
    new kubernetes.rbac.v1.ClusterRoleBinding(
      `${name}-binding`,
      {
        metadata: { name: account },
        subjects: [{ kind: "ServiceAccount", ...metadata }],
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
      },
      inCluster,
    );
    // One that stays: a token that runs out would take all names along.
    const token = new kubernetes.core.v1.Secret(
      `${name}-token`,
      {
        metadata: {
          ...metadata,
          annotations: { "kubernetes.io/service-account.name": holder.metadata.name },
        },
        type: "kubernetes.io/service-account-token",
      },
      { ...inCluster, additionalSecretOutputs: ["data"] },
    );
    const cluster = pulumi
      .all([token.data, args.kubeconfig])
      .apply(([data, kubeconfig]) => renderCluster(args, data.token ?? "", kubeconfig));
    runScript(
      `${name}-gateway`,
      {
        target: args.target,
        script: loadScript(__dirname, "kubernetes.sh"),
        parameters: { CLUSTER: pulumi.secret(cluster), DIRECTORY: directories.settings },
        removes: true,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}

/** What the gateway's program reads (mesh/names/kubernetes.go, `Cluster`). */
function renderCluster(
  { nodes }: Pick<MeshServicesArgs, "nodes">,
  token: string,
  kubeconfig: string,
): string {
  const { clusters } = parseYaml(kubeconfig, "kubeconfig") as {
    clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
  };
  const decode = (text: string) => Buffer.from(text, "base64").toString();
  return `${JSON.stringify({
    servers: nodes.map((node) => `${node}:6443`),
    authority: decode(clusters[0]?.cluster["certificate-authority-data"] ?? ""),
    token: decode(token),
    nodes,
  })}\n`;
}
