import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import type { ArtifactFile } from "../../components/artifact/manifest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import {
  dnsObjects,
  standardsObjects,
  storageObjects,
  volumesOf,
} from "../../components/kubernetes/addons/objects";
import { apiServerGuards, auditPolicy, renderEncryption } from "../../components/kubernetes/guard/guard";
import { renderKubeadmConfig, upgradeOptions } from "../../components/kubernetes/member/kubeadm";
import { renderKubeletConfig } from "../../components/kubernetes/member/kubelet";
import { renderBalancer } from "../../components/kubernetes/node/balancer";
import { minorOf, planKubernetes } from "../../components/kubernetes/plan";
import { refusalOf, versionIn } from "../../components/kubernetes/version/version";

const file = (kind: ArtifactFile["kind"], name: string): ArtifactFile => ({
  path: `${kind}/${name.replaceAll(/[/:]/g, "_")}`,
  archive: "a.tar",
  sha256: "0".repeat(64),
  size: 1,
  kind,
  name,
  ...(kind === "image" && {
    image: { reference: name, id: `sha256:${"1".repeat(64)}`, format: "docker-archive", set: "system" },
  }),
});
const artifactOf = (
  binaries: readonly string[],
  images: readonly string[],
  packages: readonly string[] = ["conntrack", "haproxy", "socat"],
): ArtifactPlan => ({
  archives: [],
  served: [
    ...binaries.map((name) => file("binary", name)),
    ...images.map((name) => file("image", name)),
    ...packages.map((name) => file("apt", name)),
  ],
  apt: [],
  images: images.map((name) => file("image", name)),
  charts: [],
  unusable: new Map(),
  registries: [],
});
const components = (version: string) =>
  ["apiserver", "controller-manager", "scheduler", "proxy"].map(
    (name) => `registry.k8s.io/kube-${name}:${version}`,
  );
const binaries = ["kubeadm", "kubelet", "kubectl", "etcdctl", "etcdutl"];
const lab = artifactOf(binaries, [
  ...components("v1.36.3"),
  "registry.k8s.io/coredns/coredns:v1.14.2",
  "registry.k8s.io/etcd:3.6.8-0",
  "docker.io/flannel/flannel:v0.28.0",
]);
const wire = artifactOf(
  [...binaries, "cni-plugins", "calico-crds"],
  [
    ...components("v1.29.10"),
    "registry.k8s.io/coredns/coredns:v1.11.4",
    "quay.io/coreos/etcd:v3.5.16",
    "quay.io/calico/node:v3.27.4",
  ],
);
const cluster = {
  podCidr: "10.233.64.0/18",
  serviceCidr: "10.233.0.0/18",
  endpoint: "127.0.0.1:7443",
  certificateNames: ["127.0.0.1"],
  guards: apiServerGuards({ encryptSecrets: false, auditLog: false }),
};
const node = { name: "kubenode1", address: "192.168.122.21" };
const documents = (artifact: ArtifactPlan, emulated = false, guards = cluster.guards) => {
  const text = renderKubeadmConfig(planKubernetes(artifact), { ...cluster, emulated, guards }, node);
  const all = parseAllDocuments(text).map((document) => document.toJS());
  const of = (kind: string) => all.find((document) => document.kind === kind);
  return {
    init: of("InitConfiguration"),
    join: of("JoinConfiguration"),
    upgrade: of("UpgradeConfiguration"),
    cluster: of("ClusterConfiguration"),
  };
};

describe("the plan of a cluster", () => {
  it("has the version and the images that the artifact has", () => {
    expect(planKubernetes(lab)).toMatchObject({
      version: "v1.36.3",
      repository: "registry.k8s.io",
      etcd: { repository: "registry.k8s.io", tag: "3.6.8-0" },
      coredns: { repository: "registry.k8s.io/coredns", tag: "v1.14.2" },
      cniPlugins: undefined,
      network: { kind: "flannel", image: "docker.io/flannel/flannel:v0.28.0" },
    });
    expect(planKubernetes(wire)).toMatchObject({
      version: "v1.29.10",
      etcd: { repository: "quay.io/coreos", tag: "v3.5.16" },
      coredns: { repository: "registry.k8s.io/coredns", tag: "v1.11.4" },
      cniPlugins: { name: "cni-plugins" },
      network: { kind: "calico", manifests: { name: "calico-crds" } },
    });
    expect(minorOf("v1.29.10")).toBe(29);
    const pinned = `registry.k8s.io/pause@sha256:${"2".repeat(64)}`;
    const { imageIds } = planKubernetes(
      artifactOf(binaries, [...lab.images.flatMap(({ name }) => name ?? []), pinned]),
    );
    expect(imageIds.split("\n")).toHaveLength(lab.images.length);
    expect(imageIds).toContain(`registry.k8s.io/etcd:3.6.8-0 sha256:${"1".repeat(64)}\n`);
  });

  it("says all that an artifact lacks", () => {
    expect(() => planKubernetes(artifactOf(["kubelet"], components("v1.36.3")))).toThrow(
      /the image etcd, the image coredns, the binary kubeadm, the binary kubectl, etcdctl and etcdutl, .*flannel's image/,
    );
    const mixed = [...components("v1.36.3").slice(0, 3), "registry.k8s.io/kube-proxy:v1.35.0"];
    expect(() => planKubernetes(artifactOf(binaries, mixed))).toThrow(/kube-proxy:v1.36.3, it has v1.35.0/);
  });
});

it("the namespace of Wire's releases says which standard their pods keep, and takes those of calling all the same", () => {
  expect(standardsObjects()).toEqual([
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: {
        name: "default",
        labels: {
          "pod-security.kubernetes.io/audit": "baseline",
          "pod-security.kubernetes.io/warn": "baseline",
        },
      },
    },
  ]);
});

describe("kubeadm's configuration", () => {
  it.each([
    ["v1beta4", lab],
    ["v1beta3", wire],
  ])("is written in %s, for one version of the artifact", (format, artifact) => {
    const { init, join, cluster } = documents(artifact);
    for (const document of [init, join, cluster])
      expect(document.apiVersion).toBe(`kubeadm.k8s.io/${format}`);
    expect(cluster.kubernetesVersion).toBe(planKubernetes(artifact).version);
  });

  it("gives arguments as the format has them: a map before v1beta4, a list since", () => {
    expect(documents(wire).cluster.etcd.local.extraArgs).toMatchObject({ "election-timeout": "5000" });
    expect(documents(lab).cluster.etcd.local.extraArgs).toContainEqual({
      name: "election-timeout",
      value: "5000",
    });
    expect(documents(wire).init.timeouts).toBeUndefined();
    expect(documents(wire).cluster.apiServer.timeoutForControlPlane).toBe("10m0s");
    expect(documents(lab).cluster.apiServer.timeoutForControlPlane).toBeUndefined();
  });

  it("gives an emulated control plane time, and spares it what nothing here uses", () => {
    const { cluster: quick } = documents(lab);
    const { init, cluster: slow } = documents(lab, true);
    expect(quick.controllerManager).toEqual({});
    expect(quick.apiServer.extraArgs).toBeUndefined();
    expect(init.timeouts.controlPlaneComponentHealthCheck).toBe("40m0s");
    for (const { extraArgs } of [slow.controllerManager, slow.scheduler])
      expect(extraArgs).toContainEqual({ name: "leader-elect-renew-deadline", value: "90s" });
    const plugins = { name: "disable-admission-plugins", value: "MutatingAdmissionPolicy" };
    expect(slow.apiServer.extraArgs).toEqual([plugins]);
    // A plugin that a version does not know would keep its API server from starting.
    expect(documents(wire, true).cluster.apiServer.extraArgs).toBeUndefined();
  });

  it("leaves no token behind that lives, and no taint", () => {
    const { init, join } = documents(lab);
    expect(init.bootstrapTokens).toEqual([{ ttl: "1m0s" }]);
    expect(join.discovery).not.toHaveProperty("bootstrapToken");
    for (const { nodeRegistration } of [init, join]) expect(nodeRegistration.taints).toEqual([]);
    expect(join.controlPlane.localAPIEndpoint.advertiseAddress).toBe(node.address);
  });
});

describe("the guards of an API server", () => {
  const all = apiServerGuards({ encryptSecrets: true, auditLog: true });

  it.each([
    ["v1beta4", lab],
    ["v1beta3", wire],
  ])("are among what kubeadm is told in %s", (_, artifact) => {
    const { apiServer } = documents(artifact, false, all).cluster;
    expect(JSON.stringify(apiServer.extraArgs)).toMatch(
      /encryption-provider-config.*encryption\.yaml.*automatic-reload.*true.*audit-policy-file.*audit-log-path/,
    );
    expect(apiServer.extraVolumes.map(({ hostPath, readOnly }: any) => [hostPath, readOnly])).toEqual([
      ["/etc/wiab/kubernetes/guard", true],
      ["/var/log/kubernetes-audit", false],
    ]);
  });

  it("change nothing of a cluster that has none", () => {
    const { apiServer } = documents(lab).cluster;
    expect(apiServer).toEqual({ certSANs: ["127.0.0.1"] });
  });

  it("read with the key first and write with it later, and read what is plain all the time", () => {
    const key = "ab".repeat(32);
    const providers = (writes: boolean) => parse(renderEncryption(key, writes)).resources[0].providers;
    expect(providers(false).map((each: object) => Object.keys(each)[0])).toEqual(["identity", "secretbox"]);
    expect(providers(true).map((each: object) => Object.keys(each)[0])).toEqual(["secretbox", "identity"]);
    const [{ name, secret }] = providers(true)[0].secretbox.keys;
    // What encrypt.sh looks for in etcd has the name in it.
    expect(readFileSync("components/kubernetes/guard/encrypt.sh", "utf8")).toContain(`:${name}:`);
    expect(Buffer.from(secret, "base64")).toHaveLength(32);
  });

  it("write down who reads a secret, and never what it says", () => {
    const { rules } = parse(auditPolicy);
    expect(rules.every(({ level }: any) => level === "None" || level === "Metadata")).toBe(true);
    const first = rules.find(({ resources }: any) => resources?.[0].resources.includes("secrets"));
    const reading = rules.find(({ verbs }: any) => verbs?.includes("get"));
    expect(rules.indexOf(first)).toBeLessThan(rules.indexOf(reading));
  });
});

describe("an upgrade", () => {
  it("changes manifests as founding and joining do, and has the patience that they have", () => {
    const { init, upgrade } = documents(lab, true);
    for (const command of ["apply", "node"]) expect(upgrade[command]).toEqual({ patches: init.patches });
    expect(upgrade.timeouts).toEqual(init.timeouts);
    expect(upgradeOptions(planKubernetes(lab), node)).toBe("--config /etc/wiab/kubernetes/kubeadm.yaml");
  });

  it("is told by options where kubeadm has no document for it", () => {
    expect(documents(wire).upgrade).toBeUndefined();
    expect(upgradeOptions(planKubernetes(wire), node)).toBe("--patches /etc/wiab/kubernetes/patches");
    expect(upgradeOptions(planKubernetes(wire), { ...node, existing: {} })).toBe(
      "--patches /etc/wiab/kubernetes/patches --ignore-preflight-errors SystemVerification",
    );
  });

  it.each([
    ["v1.36.3", "v1.36.3", undefined],
    ["v1.36.3", "v1.36.10", undefined],
    ["v1.35.4", "v1.36.3", undefined],
    ["v1.36.10", "v1.36.3", /go back from v1\.36\.10 to v1\.36\.3/],
    ["v1.36.0", "v1.35.9", /go back/],
    ["v1.34.1", "v1.36.3", /take an artifact with v1\.35 first/],
  ])("from %s to %s", (from, to, refusal) => {
    const said = refusalOf(from, to);
    if (refusal) expect(said).toMatch(refusal);
    else expect(said).toBeUndefined();
  });

  it("is known by what a script was given, once that is known", () => {
    expect(versionIn({ environment: { VERSION: "v1.36.3" }, stdin: "…" })).toBe("v1.36.3");
    // As earlier releases have left it in the state.
    expect(versionIn({ stdin: "{\nNODES='a\nb'\nVERSION='v1.36.3'\napply() { :; }\n" })).toBe("v1.36.3");
    expect(versionIn({ environment: {}, stdin: "{\nNODES='a'\n" })).toBeUndefined();
    expect(versionIn(undefined)).toBeUndefined();
  });
});

it("the kubelet keeps more for itself on a larger machine, and always something", () => {
  const reserved = (memoryGiB: number) => {
    const [document] = parseAllDocuments(
      renderKubeletConfig({ version: "v1.36.3", memoryGiB, dns: "10.233.0.10" }),
    );
    return Number.parseInt((document as any).toJS().kubeReserved.memory, 10);
  };
  expect(reserved(2)).toBeGreaterThan(100);
  expect(reserved(64)).toBeGreaterThan(reserved(7));
  expect(reserved(64)).toBeLessThan(0.1 * 64 * 1024);
});

it("the balancer knows every API server", () => {
  const text = renderBalancer([node, { name: "kubenode2", address: "192.168.122.22" }]);
  expect(text).toMatch(/^ {2}server kubenode1 192\.168\.122\.21:6443$/m);
  expect(text).toMatch(/^ {2}server kubenode2 192\.168\.122\.22:6443$/m);
});

it("volumes are named after their nodes and never meet", () => {
  const volumes = ["kubenode1", "kubenode2"].flatMap((name) => volumesOf(name, 2));
  expect(new Set(volumes.map(({ name }) => name)).size).toBe(4);
  const [storage, ...rest] = storageObjects(volumes, 10) as any[];
  expect(storage.volumeBindingMode).toBe("WaitForFirstConsumer");
  expect(rest.map(({ spec }) => spec.capacity.storage)).toEqual(Array(4).fill("10G"));
});

it("pods know machines by their names", () => {
  const [{ data }] = dnsObjects([node]) as any[];
  expect(data.Corefile).toContain("192.168.122.21 kubenode1\n");
});
