import type { ChildProcess } from "node:child_process";
import { waitFor } from "../../../lab/wait";
import { units } from "../faults/faults";
import { primary } from "../faults/primary";
import type { Connections, WriterReport } from "../faults/writer";
import type { RemoteMachine } from "../verify/machine";
import { type Drill, type DrillGround, expectEqual } from "./ground";

/** The name that Wire's services have for PostgreSQL's primary. */
const service = "postgresql-external-rw";
const pod = "drill-writer";

/** Seconds until a standby is the primary, and until the name leads to it; emulated machines are slow. */
const patience = 600;

/** A pod that writes to PostgreSQL where Wire's services do, and the secret that has its settings. */
export function writerPod(image: string, { port, authority, ...login }: Connections["postgresql"]): object {
  const settings = {
    ...{ addresses: [service], port, user: login.username, password: login.password },
    ...{ database: login.database, authority, unverified: authority !== undefined },
  };
  const metadata = { name: pod, labels: { app: pod } };
  return {
    ...{ apiVersion: "v1", kind: "List" },
    items: [
      {
        ...{ apiVersion: "v1", kind: "Secret", metadata },
        stringData: { "settings.json": JSON.stringify(settings) },
      },
      {
        ...{ apiVersion: "v1", kind: "Pod", metadata },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          // It reads back what was acknowledged when it is told to end.
          terminationGracePeriodSeconds: 600,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              name: "writer",
              image,
              args: ["write", "--service=postgresql", "--settings=/secrets/settings.json"],
              volumeMounts: [{ name: "secrets", mountPath: "/secrets", readOnly: true }],
              securityContext: {
                allowPrivilegeEscalation: false,
                capabilities: { drop: ["ALL"] },
                readOnlyRootFilesystem: true,
              },
              resources: { requests: { cpu: "10m", memory: "24Mi" }, limits: { memory: "128Mi" } },
            },
          ],
          volumes: [{ name: "secrets", secret: { secretName: pod } }],
        },
      },
    ],
  };
}

/** Whether the writer's log says that it writes, and if it was kept from it, that it does again. */
export function writesAgain(log: string): boolean {
  const said = log.split("\n").filter((line) => /record \d+(:| acknowledged)/.test(line));
  return said.length > 1 && / acknowledged$/.test(said.at(-1) ?? "");
}

/** The report at the end of the writer's log. @throws Error with the last lines if it has none. */
export function reportIn(log: string): WriterReport {
  const lines = log.trimEnd().split("\n");
  const begin = lines.lastIndexOf("{");
  const end = lines.indexOf("}", begin);
  if (begin < 0 || end < 0) throw new Error(`the writer has made no report:\n${lines.slice(-5).join("\n")}`);
  return JSON.parse(lines.slice(begin, end + 1).join("\n"));
}

/** What is to be said of a failover. @throws Error if anything acknowledged is gone. */
export function verdict(report: WriterReport, former: string, next: string): string {
  const { acknowledged, missingCount, error, longestPause } = report;
  if (error) throw new Error(`not everything could be read back: ${error}`);
  if (missingCount > 0) throw new Error(`${missingCount} of ${acknowledged} acknowledged records are gone`);
  const seconds = (longestPause.milliseconds / 1000).toFixed(1);
  return `${next} took over from ${former}; a pod wrote on through ${service} after ${seconds} s; ${acknowledged} acknowledged, none lost`;
}

/** All that a command prints from now on. */
function collect(child: ChildProcess): { readonly text: () => string; readonly ended: Promise<unknown> } {
  let text = "";
  child.stdout?.on("data", (chunk) => (text += chunk));
  child.stderr?.resume();
  return { text: () => text, ended: new Promise((resolve) => child.once("close", resolve)) };
}

/** Has the pod read back what it wrote, and gives its report. */
async function end(node: RemoteMachine): Promise<WriterReport> {
  const kubectl = "sudo kubectl --kubeconfig /etc/kubernetes/admin.conf";
  // The log goes with the pod: somebody has to read it before.
  const log = collect(node.start(`${kubectl} logs --follow ${pod}`));
  await waitFor("the writer's log", 60, async () => {
    if (!log.text()) throw new Error("it is empty");
  });
  await node.kubectl(`delete pod ${pod} --timeout 600s`);
  await log.ended;
  return reportIn(log.text());
}

/** The addresses that the name leads to. */
const addressesOf = async ({ kubectl }: DrillGround): Promise<string[]> =>
  (
    await kubectl(
      `get endpointslices --selector kubernetes.io/service-name=${service} --output 'jsonpath={.items[*].endpoints[*].addresses[*]}'`,
    )
  )
    .trim()
    .split(/\s+/);

async function failover(ground: DrillGround): Promise<string> {
  const { namesOf, reach, kubectl, outputs } = ground;
  const datanodes = namesOf("datanode");
  if (datanodes.length < 2) return "not held: a single data node has nobody who could take over";
  const node = reach(namesOf("kubenode")[0] as string);
  const image = await kubectl(
    "get deployment brig --output 'jsonpath={.spec.template.spec.containers[0].image}'",
  );
  const remove = () => kubectl(`delete pod,secret ${pod} --ignore-not-found --grace-period 1`);
  const log = () => kubectl(`logs ${pod}`);
  // One that an earlier run has left.
  await remove();
  try {
    await node.kubectl(
      "apply --filename -",
      JSON.stringify(writerPod(image.trim(), outputs.dataServices.postgresql)),
    );
    await waitFor("the pod to write", patience, async () => {
      if (!/record 1 acknowledged/.test(await log())) throw new Error(await kubectl(`get pod ${pod}`));
    });
    const former = await primary({ datanodes, reach });
    let next = "";
    try {
      await reach(former).run(`sudo systemctl stop ${units.postgresql}`);
      next = await waitFor("another primary", patience, () => primary({ datanodes, reach }));
      const { address } = outputs.machines.find(({ name }) => name === next) ?? { address: next };
      await waitFor(`${service} to lead to ${next}`, patience, async () =>
        expectEqual(await addressesOf(ground), [address]),
      );
      await waitFor("the pod to write again", patience, async () => {
        const said = await log();
        if (!writesAgain(said)) throw new Error(said.split("\n").slice(-3).join("\n"));
      });
    } finally {
      await reach(former).run(`sudo systemctl start ${units.postgresql}`);
    }
    return verdict(await end(node), former, next);
  } finally {
    await remove();
  }
}

export const failoverDrills: readonly Drill[] = [
  { name: "PostgreSQL's primary stopped under a pod that writes", hold: failover },
];
