import { request } from "node:https";
import { parse } from "yaml";
import { expectSame, type Report } from "../../../checks/report";
import type { LabOutputs } from "../../../lab/context";
import { waitFor } from "../../../lab/wait";
import type { RemoteMachine } from "./machine";

/** The program of lab/bundle/go/hello, which looks at the cluster from inside a pod. */
const image = "docker.io/library/hello:1";
const namespace = "wiab-verify";
const port = 8080;
/** What the host's firewall forwards port 80 to. */
const nodePort = 31772;

/** Looks from a pod on each node at the others, at the machines, at names and at a volume. */
export async function checkKubernetes(
  report: Report,
  outputs: LabOutputs,
  kubeconfig: string,
  reach: (name: string) => RemoteMachine,
): Promise<void> {
  const { machines } = outputs;
  const nodes = machines.filter(({ role }) => role === "kubenode");
  const [first] = nodes as [(typeof nodes)[number]];
  const kubectl = (command: string, input?: string) => reach(first.name).kubectl(command, input);
  const wanted = JSON.stringify(
    probes(
      nodes.map(({ name }) => name),
      outputs.wire === null,
    ),
  );
  const applyProbes = () => kubectl("apply --filename -", wanted);
  const inPod = (pod: string, command: string) =>
    waitFor(`${pod}: ${command}`, 60, async () =>
      (await kubectl(`--namespace ${namespace} exec ${pod} -- /hello ${command}`)).trim(),
    );

  await report.check("the API from here, as the administrator", () => version(kubeconfig));

  try {
    let pods: { name: string; node: string; ip: string }[] = [];
    await report.check("a pod on every node", async () => {
      await applyProbes();
      await kubectl(`--namespace ${namespace} wait --for condition=Ready pod --all --timeout 600s`);
      const { items } = JSON.parse(await kubectl(`--namespace ${namespace} get pods --output json`));
      // biome-ignore lint/suspicious/noExplicitAny: what Kubernetes answers
      pods = items.map(({ metadata, spec, status }: any) => ({
        name: metadata.name,
        node: spec.nodeName,
        ip: status.podIP,
      }));
      return pods.map(({ node, ip }) => `${ip} on ${node}`).join(", ");
    });
    await report.each(pods, async (report, from) => {
      for (const to of pods)
        await report.check(`pod on ${from.node} → pod on ${to.node}`, async () =>
          expectSame(await inPod(from.name, `get http://${to.ip}:${port}`), to.name),
        );
      await report.check(`pod on ${from.node}: names`, async () => {
        await inPod(from.name, "resolve kubernetes.default.svc.cluster.local");
        for (const { name, address } of machines)
          expectSame(await inPod(from.name, `resolve ${name}.`), address);
        return `those of the cluster and of ${machines.length} machines`;
      });
      for (const { name, address } of machines.filter(({ role }) => role === "datanode"))
        await report.check(`pod on ${from.node} → ${name}`, () =>
          inPod(from.name, `dial ${address}:22`).then((answer) => `${address}:22 ${answer}`),
        );
      await report.check(`pod on ${from.node} → service`, async () =>
        inPod(from.name, `get http://probe.${namespace}.svc.cluster.local`),
      );
    });
    // Where Wire is, the port is its ingress's, and checkWire goes by it.
    if (!outputs.wire)
      await report.check(`${outputs.publicAddress}:80 → NodePort ${nodePort}`, async () => {
        const answer = await fetch(`http://${outputs.publicAddress}/`, {
          signal: AbortSignal.timeout(30_000),
        });
        return `answered by ${(await answer.text()).trim()}`;
      });
    await report.check("a volume, written by one pod and read by the next", async () => {
      await inPod(`probe-${first.name}`, "write /volume/text kept");
      await kubectl(`--namespace ${namespace} delete pod probe-${first.name} --now`);
      await applyProbes();
      await kubectl(
        `--namespace ${namespace} wait --for condition=Ready pod/probe-${first.name} --timeout 300s`,
      );
      return expectSame(await inPod(`probe-${first.name}`, "read /volume/text"), "kept");
    });
  } finally {
    await giveBack(kubectl, reach);
  }
}

/** A pod on each node that answers with its name, one of them with a volume, and a service for all of them. */
function probes(nodes: readonly string[], onNodePort: boolean): object {
  const pods = nodes.map((node, index) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `probe-${node}`, namespace, labels: { app: "probe" } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 1,
      securityContext: { fsGroup: 65534 },
      containers: [
        {
          name: "probe",
          image,
          args: ["serve", `:${port}`],
          readinessProbe: { httpGet: { port }, timeoutSeconds: 10 },
          ...(index === 0 ? { volumeMounts: [{ name: "volume", mountPath: "/volume" }] } : {}),
        },
      ],
      ...(index === 0
        ? { volumes: [{ name: "volume", persistentVolumeClaim: { claimName: "volume" } }] }
        : {}),
    },
  }));
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "probe", namespace },
    spec: {
      selector: { app: "probe" },
      ...(onNodePort
        ? { type: "NodePort", ports: [{ port: 80, targetPort: port, nodePort }] }
        : { ports: [{ port: 80, targetPort: port }] }),
    },
  };
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "volume", namespace },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1M" } } },
  };
  return {
    apiVersion: "v1",
    kind: "List",
    items: [{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, claim, service, ...pods],
  };
}

/** Leaves no trace: a volume that was claimed has to be emptied and offered anew, for its class keeps what is in it. */
async function giveBack(
  kubectl: (command: string) => Promise<string>,
  reach: (name: string) => RemoteMachine,
): Promise<void> {
  await kubectl(`delete namespace ${namespace} --ignore-not-found --timeout 300s`);
  const { items } = JSON.parse(await kubectl("get persistentvolumes --output json"));
  for (const { metadata, spec } of items)
    if (spec.claimRef?.namespace === namespace) {
      const node = spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0];
      await reach(node).run(`sudo rm -f ${spec.local.path}/text`);
      await kubectl(
        `patch persistentvolume ${metadata.name} --type json --patch '[{"op":"remove","path":"/spec/claimRef"}]'`,
      );
    }
}

/** Asks the API for its version, with the certificate of a kubeconfig. */
function version(kubeconfig: string): Promise<string> {
  const { clusters, users } = parse(kubeconfig);
  const decode = (text: string) => Buffer.from(text, "base64");
  const { server, "certificate-authority-data": ca } = clusters[0].cluster;
  const { "client-certificate-data": cert, "client-key-data": key } = users[0].user;
  return new Promise((resolve, reject) => {
    const call = request(
      `${server}/version`,
      { ca: decode(ca), cert: decode(cert), key: decode(key), timeout: 30_000 },
      (answer) => {
        let text = "";
        answer.on("data", (part) => {
          text += part;
        });
        answer.on("end", () =>
          answer.statusCode === 200
            ? resolve(`${server} says ${JSON.parse(text).gitVersion}`)
            : reject(new Error(`${answer.statusCode}: ${text}`)),
        );
      },
    );
    call.on("timeout", () => call.destroy(new Error(`${server} does not answer`)));
    call.on("error", reject);
    call.end();
  });
}
