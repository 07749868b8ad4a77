import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { buildLabBundle } from "../../lab/bundle";
import { writeFormerList } from "../../lab/former/list";
import { type Connections, Writer } from "../acceptance/faults/writer";
import { Kubenodes } from "../fixtures/kubenodes";
import { until } from "../fixtures/machine";

// Day two of Kubernetes, on three of the lab's containers: an upgrade under a writer with a killed run in it, changed
// settings, a restore, and nodes that retire. The tests build upon one another.

const minutes = 60_000;
const versions = { former: "v1.35.4", now: "v1.36.3" };
let nodes: Kubenodes;

beforeAll(async () => {
  nodes = await Kubenodes.start();
  await nodes.supply(await buildLabBundle(writeFormerList()));
}, 60 * minutes);
afterAll(() => nodes?.stop(), 5 * minutes);

/** Writes to the API from a node. */
const write = (name: string): Promise<Writer> =>
  Writer.start({ start: (command) => nodes.shell(name, command) }, "kubernetes", {} as Connections);

/** What the nodes are made of, by name. */
async function made(of = nodes.names): Promise<Record<string, string>> {
  const pods = JSON.parse(
    await nodes.kubectl(of[0] as string, "--namespace kube-system get pods --output json"),
  );
  const { items } = JSON.parse(await nodes.kubectl(of[0] as string, "get nodes --output json"));
  const facts = items.map(({ metadata: { name }, spec, status }: any) => {
    const images = pods.items
      .filter((pod: { spec: { nodeName: string } }) => pod.spec.nodeName === name)
      .flatMap((pod: { spec: { containers: { image: string }[] } }) => pod.spec.containers)
      .map(({ image }: { image: string }) => image.split("/").at(-1))
      .filter((image: string) => /^(etcd|kube-)/.test(image));
    const ready = status.conditions.find(({ type }: { type: string }) => type === "Ready").status;
    const service = spec.unschedulable ? "out of service" : "in service";
    return [name, [status.nodeInfo.kubeletVersion, ready, service, ...images.sort()].join(" ")];
  });
  return Object.fromEntries(facts);
}

/** Waits until that is what they are made of: pods of a node that has just come are seen some moments later. */
const areMade = (expected: Record<string, string>, of?: string[]): Promise<void> =>
  vi.waitFor(async () => expect(await made(of)).toEqual(expected), { timeout: 2 * minutes, interval: 1000 });

const complete = (version: string, etcd: string) =>
  [
    ...[version, "True", "in service", `etcd:${etcd}`],
    ...["apiserver", "controller-manager", "proxy", "scheduler"].map((part) => `kube-${part}:${version}`),
  ].join(" ");
const all = (facts: string) => Object.fromEntries(nodes.names.map((name) => [name, facts]));
const image = (name: string) =>
  nodes.kubectl(
    "kubenode1",
    `--namespace kube-system get deployment ${name} --output 'jsonpath={.spec.template.spec.containers[0].image}'`,
  );
const replaced = (from: string, to: string) => (input: string) => {
  expect(input).toContain(from);
  return input.replaceAll(from, to);
};

describe("Kubernetes on three nodes", () => {
  it("is founded with the former version", { timeout: 20 * minutes }, async () => {
    await nodes.prepare();
    await nodes.complete();
    await areMade(all(complete(versions.former, "3.6.6-0")));
    expect(await image("coredns")).toMatch(/:v1\.13\.1$/);
  });

  it("refuses versions that it cannot become, before anything changes", {
    timeout: 2 * minutes,
  }, async () => {
    const ask = (version: string) =>
      nodes.begin("kubenode2", "admission-kubenode2-version", replaced(versions.former, version));
    expect(await ask("v1.37.0")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/more than one minor version away: take an artifact with v1\.36 first/),
    });
    expect(await ask("v1.35.3")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has come to v1\.35\.4 and cannot go back to v1\.35\.3/),
    });
    expect((await ask("v1.36.0")).code).toBe(0);
  });

  it("takes no node in that brings another version along", { timeout: 5 * minutes }, async () => {
    await nodes.succeed("kubenode3", "mv /etc/wiab/kubernetes/member /run/member");
    const joining = await nodes.begin(
      "kubenode3",
      "kubernetes-member-kubenode3",
      replaced(`VERSION='${versions.former}'`, `VERSION='${versions.now}'`),
    );
    // What it had was taken for the rest of another cluster, and is gone.
    expect(joining).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cannot join in the run that changes it/),
    });
    await nodes.apply("kubenode3", "kubernetes-member-kubenode3");
    await areMade(all(complete(versions.former, "3.6.6-0")));
  });

  it("is upgraded node by node under a writer, and goes on where a run was killed", {
    timeout: 40 * minutes,
  }, async () => {
    await nodes.supply(await buildLabBundle());
    await nodes.prepare();
    const writer = await write("kubenode3");
    await nodes.apply("kubenode1", "kubernetes-member-kubenode1");
    expect((await made()).kubenode1).toMatch(
      /^v1\.36\.3 True in service etcd:3\.6\.8-0 kube-apiserver:v1\.36\.3 /,
    );
    expect((await made()).kubenode2).toMatch(
      /^v1\.35\.4 True in service etcd:3\.6\.6-0 kube-apiserver:v1\.35\.4 /,
    );

    const killed = nodes.begin("kubenode2", "kubernetes-member-kubenode2");
    await until(
      "kubenode2 has another etcd",
      async () =>
        (await nodes.on("kubenode2", "grep -q etcd:3.6.8 /etc/kubernetes/manifests/etcd.yaml")).code === 0,
      600,
    );
    await nodes.powerCycle("kubenode2");
    expect((await killed).code).not.toBe(0);
    await until("kubenode2 is back", async () => (await nodes.on("kubenode2", "true")).code === 0, 300);
    expect(await nodes.succeed("kubenode2", "cat /etc/wiab/kubernetes/change")).toBe(versions.now);
    const back = await nodes.begin(
      "kubenode2",
      "admission-kubenode2-version",
      replaced(versions.now, versions.former),
    );
    expect(back).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has come to v1\.36\.3 and cannot go back/),
    });

    await nodes.complete();
    await areMade(all(complete(versions.now, "3.6.8-0")));
    expect(await image("coredns")).toMatch(/:v1\.14\.2$/);
    for (const name of nodes.names)
      expect(
        await nodes.succeed(
          name,
          "cd /etc/wiab/kubernetes && cut -d ' ' -f 1 member && { ls change cordoned 2>/dev/null || true; } | wc -l",
        ),
      ).toBe(`${versions.now}\n0`);
    const report = await writer.stop();
    console.log(`the upgrade under a writer: ${JSON.stringify(report)}`);
    expect(report.missingCount).toBe(0);
    expect(report.acknowledged).toBeGreaterThan(100);
  });

  it("goes back no more, and a second run changes nothing", { timeout: 10 * minutes }, async () => {
    const manifests = "cd /etc/kubernetes/manifests && sha256sum *";
    const before = await nodes.succeed("kubenode1", manifests);
    const writer = await write("kubenode2");
    const said = await nodes.apply("kubenode1", "kubernetes-member-kubenode1");
    expect(said).toBe(`kubenode1 runs Kubernetes ${versions.now}\n`);
    expect((await writer.stop()).errors).toEqual([]);
    expect(await nodes.succeed("kubenode1", manifests)).toBe(before);
  });

  it("gets other settings of its control planes", { timeout: 15 * minutes }, async () => {
    for (const name of nodes.turns)
      await nodes.apply(name, `kubernetes-member-${name}`, replaced('value: "250"', 'value: "300"'));
    for (const name of nodes.names)
      expect(await nodes.succeed(name, "grep heartbeat /etc/kubernetes/manifests/etcd.yaml")).toMatch(
        /=300$/,
      );
    await areMade(all(complete(versions.now, "3.6.8-0")));
  });

  it("goes on from a snapshot on one node, and the others join it", { timeout: 30 * minutes }, async () => {
    const has = async (name: string) =>
      (await nodes.on("kubenode2", `kubectl --kubeconfig /etc/kubernetes/admin.conf get configmap ${name}`))
        .code === 0;
    expect(await nodes.succeed("kubenode1", "sudo kubectl get nodes --output name")).toContain("kubenode1");
    await nodes.kubectl("kubenode1", "create configmap before");
    await nodes.succeed("kubenode2", "/opt/wiab/etcd/backup >/var/tmp/snapshot");
    await nodes.kubectl("kubenode1", "create configmap after");
    const refused = await nodes.on("kubenode2", "/opt/wiab/etcd/restore </var/tmp/snapshot");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/kubenode1/) });
    for (const name of ["kubenode1", "kubenode3"])
      await nodes.succeed(
        name,
        "rm /etc/wiab/kubernetes/member && kubeadm reset --force --skip-phases remove-etcd-member",
      );
    const broken = await nodes.on("kubenode2", "head -c 100000 /var/tmp/snapshot | /opt/wiab/etcd/restore");
    expect(broken.code).not.toBe(0);
    expect(await nodes.succeed("kubenode2", "/opt/wiab/etcd/restore </var/tmp/snapshot 2>&1")).toMatch(
      /goes on from the snapshot$/,
    );
    expect([await has("before"), await has("after")]).toEqual([true, false]);
    await nodes.complete();
    await areMade(all(complete(versions.now, "3.6.8-0")));
    expect(await nodes.succeed("kubenode2", members)).toBe("3");
  });

  it("does not let a node retire whose volumes are in use", { timeout: 10 * minutes }, async () => {
    await nodes.kubectl("kubenode1", `apply --filename - <<'END'\n${claimOf("kubenode1")}\nEND`);
    await until(
      "the claim has a volume",
      async () =>
        (await nodes.kubectl("kubenode1", "get pvc claim --output 'jsonpath={.status.phase}'")) === "Bound",
      120,
    );
    nodes.retire("kubenode1", "kubenode2");
    await nodes.plan();
    expect(nodes.turns).toEqual(["kubenode3", "kubenode1", "kubenode2"]);
    await nodes.apply("kubenode3", "kubernetes-member-kubenode3");
    expect(await nodes.begin("kubenode1", "kubernetes-member-kubenode1")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/volumes on kubenode1 are in use.*kubenode1-\d \(default\/claim\)/),
    });
    await nodes.kubectl("kubenode3", "delete pod claimant --grace-period 1");
    await nodes.kubectl("kubenode3", "delete pvc claim");
  });

  it("has the founder and another node retire, and stays", { timeout: 20 * minutes }, async () => {
    const writer = await write("kubenode3");
    await nodes.prepare();
    await nodes.complete();
    const report = await writer.stop();
    console.log(`two nodes retire under a writer: ${JSON.stringify(report)}`);
    expect(report.missingCount).toBe(0);
    await areMade({ kubenode3: complete(versions.now, "3.6.8-0") }, ["kubenode3"]);
    expect(await nodes.succeed("kubenode3", members)).toBe("1");
    expect(await nodes.kubectl("kubenode3", "get pv --output name")).not.toMatch(/kubenode[12]/);
    for (const name of ["kubenode1", "kubenode2"]) {
      expect(
        await nodes.succeed(
          name,
          "crictl ps --quiet | wc -l; { ls /etc/kubernetes/manifests /var/lib/etcd/member 2>/dev/null || true; } | wc -l",
        ),
      ).toBe("0\n0");
      expect(await nodes.apply(name, `kubernetes-member-${name}`)).toMatch(
        /is no node of the cluster any more/,
      );
    }
  });

  it("takes them in again", { timeout: 15 * minutes }, async () => {
    nodes.retire();
    await nodes.plan();
    await nodes.prepare();
    await nodes.complete();
    await areMade(all(complete(versions.now, "3.6.8-0")));
    expect(await nodes.succeed("kubenode2", members)).toBe("3");
  });
});

const pki = "/etc/kubernetes/pki/etcd";
const members = `/opt/wiab/etcd/etcdctl --endpoints https://127.0.0.1:2379 --cacert ${pki}/ca.crt --cert ${pki}/healthcheck-client.crt --key ${pki}/healthcheck-client.key member list | wc -l`;

/** A claim, and a pod on a node that has it. */
const claimOf = (node: string): string =>
  [
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "claim" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1M" } } },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "claimant" },
      spec: {
        nodeSelector: { "kubernetes.io/hostname": node },
        containers: [
          {
            name: "pause",
            image: "registry.k8s.io/pause:3.10.2",
            volumeMounts: [{ name: "claim", mountPath: "/claim" }],
          },
        ],
        volumes: [{ name: "claim", persistentVolumeClaim: { claimName: "claim" } }],
      },
    },
  ]
    .map((object) => JSON.stringify(object))
    .join("\n---\n");
