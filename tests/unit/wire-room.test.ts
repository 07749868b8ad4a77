import { describe, expect, it } from "vitest";
import { renderKubeletConfig } from "../../components/kubernetes/member/kubelet";
import { flannelObjects } from "../../components/kubernetes/network/flannel";
import { networkPod, roomOn } from "../../components/kubernetes/room";
import { type RoomyNode, roomProblems } from "../../components/validation/wire-room";
import { askedBy } from "../../components/wire/requests";

type Quantities = Readonly<Record<string, string | number>>;
const container = (requests: Quantities, limits?: Quantities) => ({
  name: "one",
  resources: { requests, ...(limits && { limits }) },
});
const made = (kind: string, name: string, pod: object, spec: object = {}) => ({
  kind,
  metadata: { name },
  spec: { ...spec, template: { spec: pod } },
});
const pods = (name: string, replicas: number, requests: Quantities, spec: object = {}, pod: object = {}) =>
  made("Deployment", name, { containers: [container(requests)], ...pod }, { replicas, ...spec });

const nodes = (count: number, memory: number, cpu = 100_000): RoomyNode[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `kubenode${index + 1}`,
    ...{ memory, cpu },
    calling: index === count - 1,
  }));

const release = (name: "wire-server" | "sftd", values = {}) =>
  ({ name, chart: { chart: `charts/${name}`, fingerprint: "" }, values }) as const;

/** What is said of objects; the cluster's DNS (2 × 70 MiB) asks beside them. */
const said = (on: readonly RoomyNode[], ...objects: object[]) =>
  roomProblems([release("wire-server", { brig: {} })], on, async () => objects);

describe("what pods ask for", () => {
  const one = (object: object) => {
    const [asked] = askedBy([object]);
    return asked && { pods: asked.pods, memory: asked.memory, cpu: asked.cpu, passing: asked.passing };
  };

  it.each([
    ["128Mi", 128],
    ["1Gi", 1024],
    ["64M", 64e6 / 2 ** 20],
    ["1e9", 1e9 / 2 ** 20],
    ["500k", 5e5 / 2 ** 20],
    [1073741824, 1024],
    ["0.5Gi", 512],
    ["134217728000m", 128],
  ])("%s of memory are %d MiB", (memory, expected) => {
    expect(one(pods("a", 1, { memory }))?.memory).toBeCloseTo(expected, 9);
  });

  it.each([
    ["100m", 100],
    ["0.5", 500],
    [2, 2000],
    ["1k", 1e6],
  ])("%s of a processor are %d thousandths", (cpu, expected) => {
    expect(one(pods("a", 1, { cpu }))?.cpu).toBeCloseTo(expected, 9);
  });

  it.each(["512MB", "1 Gi", "-1", "1KiB", "2K", "half", ""])("%j is no amount", (memory) => {
    expect(() => one(pods("brig", 1, { memory }))).toThrow(
      /^Deployment brig asks for .* as its memory, which is no quantity of Kubernetes': write 512Mi or 2Gi$/,
    );
  });

  it("is a pod's, with whatever runs before its containers or beside them", () => {
    const memory = (pod: object) => one(made("StatefulSet", "a", pod))?.memory;
    const containers = [container({ memory: "100Mi" }), container({ memory: "50Mi" })];
    expect(memory({ containers })).toBe(150);
    expect(memory({ containers, initContainers: [container({ memory: "120Mi" })] })).toBe(150);
    expect(memory({ containers, initContainers: [container({ memory: "200Mi" })] })).toBe(200);
    const sidecar = { ...container({ memory: "30Mi" }), restartPolicy: "Always" };
    expect(memory({ containers, initContainers: [sidecar, container({ memory: "200Mi" })] })).toBe(230);
    expect(memory({ containers, initContainers: [container({ memory: "200Mi" }), sidecar] })).toBe(200);
    expect(memory({ containers, overhead: { memory: "10Mi" } })).toBe(160);
    expect(memory({ containers, resources: { requests: { memory: "300Mi" } } })).toBe(300);
    // Kubernetes takes a limit alone for the request.
    expect(memory({ containers: [{ resources: { limits: { memory: "70Mi" } } }] })).toBe(70);
  });

  it.each([
    ["a deployment", "Deployment", {}, 3, true],
    [
      "a deployment that may do without one",
      "Deployment",
      { strategy: { rollingUpdate: { maxUnavailable: 1 } } },
      3,
      false,
    ],
    ["a deployment that ends all first", "Deployment", { strategy: { type: "Recreate" } }, 3, false],
    ["a deployment of which a quarter is one", "Deployment", { replicas: 4 }, 4, false],
    [
      "a deployment that may have none more",
      "Deployment",
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "1%" } } },
      3,
      false,
    ],
    ["a deployment of none", "Deployment", { replicas: 0 }, 0, false],
    ["a set", "StatefulSet", {}, 3, false],
    ["a job", "Job", { parallelism: 5 }, 0, true],
  ])("%s: how many pods, and whether one more for a while", (_what, kind, spec, count, passing) => {
    const object = made(kind, "a", { containers: [container({ memory: "1Mi" })] }, { replicas: 3, ...spec });
    expect(one(object)).toMatchObject({ pods: count, passing });
  });

  it("is found in timed jobs, pods alone and lists; hooks pass by, and objects without pods ask for nothing", () => {
    const pod = { containers: [container({ memory: "5Mi" })] };
    expect(
      askedBy([
        {
          kind: "CronJob",
          metadata: { name: "a" },
          spec: { jobTemplate: { spec: { template: { spec: pod } } } },
        },
        { kind: "List", items: [{ kind: "Pod", metadata: { name: "b" }, spec: pod }] },
        { kind: "Pod", metadata: { name: "c", annotations: { "helm.sh/hook": "pre-install" } }, spec: pod },
        { kind: "Pod", metadata: { name: "d", annotations: { "helm.sh/hook": "pre-delete" } }, spec: pod },
        { kind: "Service", metadata: { name: "e" }, spec: { type: "ClusterIP" } },
        { kind: "Ingress" },
      ]).map(({ what, pods: count, passing, memory }) => [what, count, passing, memory]),
    ).toEqual([
      ["CronJob a", 0, true, 5],
      ["Pod b", 1, false, 5],
      ["Pod c", 0, true, 5],
    ]);
  });
});

describe("what a node has for pods", () => {
  it("is what the kubelet's configuration leaves of it, less what every node runs", () => {
    // 100m and 100m kept, 650m for the control plane, 50m for flannel.
    const { cpu, memory } = roomOn({ memoryGiB: 7, vcpus: 5 }, "flannel");
    expect(cpu).toBe(5000 - 200 - 650 - 50);
    const config = renderKubeletConfig({ version: "v1.36.3", memoryGiB: 7, dns: "10.233.0.10" });
    const kept = [...config.matchAll(/memory(?:\.available)?: "?(\d+)Mi/g)].map(([, mib]) => Number(mib));
    expect(kept).toEqual([343, 128, 100]);
    expect(memory).toBe(7 * 1024 - 343 - 128 - 100 - 100 - 50);
  });

  it("has flannel's pod in it as that asks", () => {
    const asked = askedBy(flannelObjects({ image: "flannel", podCidr: "10.233.64.0/18" }));
    expect(asked).toMatchObject([{ everyNode: true, ...networkPod.flannel }]);
  });
});

describe("the room on the nodes", () => {
  it("is enough where pods fit, to the last MiB", async () => {
    expect(
      await said(nodes(3, 1000), pods("brig", 6, { memory: "476Mi" }, { strategy: { type: "Recreate" } })),
    ).toEqual([]);
    expect(await said(nodes(1, 740), pods("brig", 1, { memory: "300Mi" }))).toEqual([]);
    expect(await said(nodes(1, 739), pods("brig", 1, { memory: "300Mi" }))).toHaveLength(1);
  });

  it("is too little in all: who asks most, what is missing, and which keys change it", async () => {
    const found = await said(
      nodes(3, 1000),
      pods("brig", 3, { memory: "900Mi" }),
      pods("cannon", 3, { memory: "200Mi" }),
      made("DaemonSet", "logs", { containers: [container({ memory: "10Mi" })] }),
    );
    expect(found).toEqual([
      "the pods on the kubenodes together ask for 4370 MiB of memory, one more of wire-server: Deployment brig for a " +
        "while among them, and there are 3000 MiB for them beside what Kubernetes and the system keep: 1370 MiB are " +
        "missing. Most is asked for by wire-server: Deployment brig, 4 × 900 MiB (wire.values.wire-server.brig); " +
        "wire-server: Deployment cannon, 4 × 200 MiB (wire.values.wire-server); the cluster's DNS, 2 × 70 MiB. Give the " +
        "kubenodes more memoryGiB, or have fewer pods or smaller requests by those values",
    ]);
  });

  it("counts what passes by once: the largest, for the others wait", async () => {
    const passing = ["a", "b"].map((name) =>
      made("Job", name, { containers: [container({ memory: name === "a" ? "500Mi" : "400Mi" })] }),
    );
    expect(await said(nodes(1, 640), ...passing)).toEqual([]);
    expect(await said(nodes(1, 639), ...passing)).toEqual([
      expect.stringMatching(
        /^the pods on kubenode1 ask for 640 MiB of memory, one more of wire-server: Job a for a while among them, and/,
      ),
    ]);
  });

  it("is too little on the node that pods are tied to", async () => {
    const tied = { nodeSelector: { "kubernetes.io/hostname": "kubenode2" } };
    expect(
      await said(
        nodes(3, 1000),
        pods("sftd", 2, { cpu: 1, memory: "600Mi" }, { strategy: { type: "Recreate" } }, tied),
      ),
    ).toEqual([
      expect.stringMatching(
        /^the pods on kubenode2 ask for 1200 MiB of memory, and there are 1000 MiB .*: 200 MiB are missing\./,
      ),
    ]);
    const calling = { nodeSelector: { "wire.com/role": "calling" } };
    expect(await said(nodes(3, 1000), pods("sftd", 1, { memory: "600Mi" }, {}, calling))).toEqual([
      expect.stringMatching(/^the pods on kubenode3 ask for 1200 MiB of memory,/),
    ]);
  });

  it("is too small a piece on each node, though enough in all", async () => {
    const never = { strategy: { type: "Recreate" } };
    expect(await said(nodes(3, 1000), pods("brig", 1, { memory: "1100Mi" }, never))).toEqual([
      expect.stringMatching(
        /^places are missing for large pods: 1 ask for 1100 MiB of memory or more, and the kubenodes have 0 such places, for the largest room on one is 1000 MiB\./,
      ),
    ]);
    expect(await said(nodes(3, 1000), pods("brig", 4, { memory: "600Mi" }, never))).toEqual([
      expect.stringMatching(/: 4 ask for 600 MiB of memory or more, and the kubenodes have 3 such places/),
    ]);
  });

  it("is looked at for processors as for memory", async () => {
    expect(await said(nodes(3, 10_000, 2000), pods("brig", 3, { cpu: "1500m" }))).toEqual([
      expect.stringMatching(
        / ask for 6\.2 vCPUs, one more .* there are 6 vCPUs for .*: 0\.2 vCPUs are missing\. .* more vcpus/,
      ),
    ]);
  });

  it("is not asked for by a chart that cannot be rendered, and an amount that is none is refused", async () => {
    const failing = async () => Promise.reject(new Error("no"));
    expect(await roomProblems([release("sftd")], nodes(1, 1000), failing)).toEqual([]);
    expect(await said(nodes(1, 1000), pods("brig", 1, { memory: "512MB" }))).toEqual([
      expect.stringMatching(/^wire-server: Deployment brig asks for .* \(wire\.values\.wire-server\)$/),
    ]);
  });
});
