import type { ArtifactFile } from "../artifact/manifest";
import { type ArtifactPlan, findBinary, lackingPackages } from "../artifact/plan";

/** The image of a component, as kubeadm wants to be told of it. */
export interface ComponentImage {
  /** Everything before the last part of the name, for example `registry.k8s.io/coredns`. */
  readonly repository: string;
  readonly tag: string;
}

/** What a cluster is made of. */
export interface KubernetesPlan {
  /** With its `v`, for example `v1.36.3`. */
  readonly version: string;
  /** Where the components of this version come from. */
  readonly repository: string;
  readonly etcd: ComponentImage;
  readonly coredns: ComponentImage;
  readonly binaries: Readonly<Record<(typeof programs)[number], ArtifactFile>>;
  /** etcd's own tools: two binaries, or an archive that has them. */
  readonly etcdTools: readonly ArtifactFile[];
  /** The plugins that connect pods; undefined where they are a Debian package. */
  readonly cniPlugins: ArtifactFile | undefined;
  readonly network: PodNetwork;
  /** The images of Kubernetes itself that have a tag: reference and identifier, one a line. */
  readonly imageIds: string;
}

/** What lays the network between pods. */
export type PodNetwork =
  | { readonly kind: "flannel"; readonly image: string }
  /** The archive has Calico's own manifests. */
  | { readonly kind: "calico"; readonly manifests: ArtifactFile };

/**
 * Debian packages of a node: what kubeadm looks for, and the balancer. Ubuntu's image has ethtool and iptables; an artifact
 * has to have the others.
 */
export const nodePackages = ["conntrack", "ethtool", "haproxy", "iptables", "socat"] as const;

const programs = ["kubeadm", "kubelet", "kubectl"] as const;

/**
 * Finds the parts of a cluster in an artifact: its version is that of the images.
 * @throws Error naming what it lacks.
 */
export function planKubernetes(artifact: ArtifactPlan): KubernetesPlan {
  const references = artifact.images.flatMap(({ image }) => image?.reference ?? []);
  const lacking: string[] = [];
  const imageOf = (name: string): ComponentImage & { readonly reference: string } => {
    const reference = references.find((each) => new RegExp(`/${name}:[^/@]+$`).test(each));
    if (!reference) lacking.push(`the image ${name}`);
    const [repository = "", tag = ""] = (reference ?? "").split(new RegExp(`/${name.split("/").at(-1)}:`));
    return { reference: reference ?? "", repository, tag };
  };
  const binaryOf = (name: string): ArtifactFile => {
    const file = findBinary(artifact, name);
    if (!file) lacking.push(`the binary ${name}`);
    return file as ArtifactFile;
  };
  const api = imageOf("kube-apiserver");
  for (const name of ["kube-controller-manager", "kube-scheduler", "kube-proxy"]) {
    const { reference, tag } = imageOf(name);
    if (reference && tag !== api.tag) lacking.push(`the image ${name}:${api.tag}, it has ${tag}`);
  }
  const plan = {
    version: api.tag,
    repository: api.repository,
    etcd: imageOf("etcd"),
    coredns: imageOf("coredns"),
    binaries: {
      kubeadm: binaryOf("kubeadm"),
      kubelet: binaryOf("kubelet"),
      kubectl: binaryOf("kubectl"),
    },
    etcdTools: etcdToolsOf(artifact),
    cniPlugins: findBinary(artifact, "cni-plugins"),
    network: networkOf(artifact, references),
    imageIds: artifact.images
      .flatMap(({ image }) =>
        image?.set === "system" && !image.reference.includes("@") ? `${image.reference} ${image.id}` : [],
      )
      .join("\n"),
  };
  const { network } = plan;
  if (plan.etcdTools.length === 0) lacking.push("etcdctl and etcdutl, and an archive of etcd too");
  if (!network) lacking.push("flannel's image, and Calico's archive too");
  lacking.push(...lackingPackages(artifact, ["conntrack", "haproxy", "socat"]));
  if (lacking.length > 0 || !network)
    throw new Error(`the artifact lacks ${lacking.join(", ")}: no Kubernetes cluster can be made of it`);
  return { ...plan, network };
}

function etcdToolsOf(artifact: ArtifactPlan): readonly ArtifactFile[] {
  const tools = ["etcdctl", "etcdutl"].flatMap((name) => findBinary(artifact, name) ?? []);
  if (tools.length === 2) return tools;
  const archive = findBinary(artifact, "etcd");
  return archive && /\.t(ar\.)?gz$/.test(archive.path) ? [archive] : [];
}

function networkOf(artifact: ArtifactPlan, references: readonly string[]): PodNetwork | undefined {
  const manifests = findBinary(artifact, "calico-crds");
  if (manifests) return { kind: "calico", manifests };
  const image = references.find((each) => /\/flannel:[^/@]+$/.test(each));
  return image === undefined ? undefined : { kind: "flannel", image };
}

/** The minor version: 36 of `v1.36.3`. */
export const minorOf = (version: string): number => Number(version.split(".")[1]);
