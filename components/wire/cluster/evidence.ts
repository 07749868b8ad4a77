import type { ClusterApi } from "./api";

/** What Kubernetes says of a container's state: one of the three is there. */
interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode: number };
  readonly running?: object;
}

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state: ContainerState;
}

interface Pod {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { type: string; status: string; message?: string }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface Event {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count?: number;
}

/** How much of what went wrong is shown: the first pods, their last events and the last lines that they wrote. */
const most = { pods: 3, events: 5, lines: 15 } as const;

/**
 * Why the pods of a release are not up: their states, events and last log lines. Nothing is asked of Helm, which
 * knows only that it has waited long enough.
 */
export async function explainRelease(api: ClusterApi, namespace: string, release: string): Promise<string> {
  const pods = (await api.list<Pod>(`/api/v1/namespaces/${namespace}/pods`)).filter(isUnwell);
  const own = pods.filter(({ metadata: { labels = {} } }) =>
    [labels.release, labels["app.kubernetes.io/instance"]].includes(release),
  );
  // Some charts put no such label on their hooks' pods.
  const shown = own.length > 0 ? own : pods;
  if (shown.length === 0) return `no pod in the namespace ${namespace} is unwell now`;
  const reports = await Promise.all(shown.slice(0, most.pods).map((pod) => explainPod(api, namespace, pod)));
  const left = shown.length - most.pods;
  return [...reports, ...(left > 0 ? [`and ${left} more pods`] : [])].join("\n");
}

const isUnwell = ({ status }: Pod): boolean =>
  status.phase !== "Succeeded" &&
  (status.phase !== "Running" || (status.containerStatuses ?? []).some(({ ready }) => !ready));

async function explainPod(
  api: ClusterApi,
  namespace: string,
  { metadata: { name }, status }: Pod,
): Promise<string> {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const unwell = containers.filter(({ ready, state }) => !ready && state.terminated?.exitCode !== 0);
  const unscheduled = status.conditions?.find(
    ({ type, status }) => type === "PodScheduled" && status === "False",
  );
  const logs = await Promise.all(unwell.map((container) => logOf(api, namespace, name, container)));
  return [
    `pod ${name}: ${status.phase}${unscheduled ? `, not placed: ${unscheduled.message}` : ""}`,
    ...unwell.map((container) => `  container ${container.name}: ${describeState(container)}`),
    ...(await eventsOf(api, namespace, name)),
    ...logs.flat(),
  ].join("\n");
}

function describeState({ state: { waiting, terminated }, restartCount }: ContainerStatus): string {
  const restarts = restartCount > 0 ? `, restarted ${restartCount} times` : "";
  if (waiting) return `${[waiting.reason, waiting.message].filter(Boolean).join(": ")}${restarts}`;
  if (terminated) return `${terminated.reason ?? "ended"} with ${terminated.exitCode}${restarts}`;
  return `running, not ready${restarts}`;
}

async function eventsOf(api: ClusterApi, namespace: string, pod: string): Promise<string[]> {
  const events = await api.list<Event>(
    `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.name%3D${pod}`,
  );
  return events
    .filter(({ type }) => type !== "Normal")
    .slice(-most.events)
    .map(
      ({ reason, message, count = 1 }) =>
        `  event ${reason}${count > 1 ? ` (${count} times)` : ""}: ${message}`,
    );
}

/** The last lines of a container, of its former life where it has just begun another. */
async function logOf(
  api: ClusterApi,
  namespace: string,
  pod: string,
  { name, state, restartCount }: ContainerStatus,
): Promise<string[]> {
  const previous = restartCount > 0 && !state.running;
  if (!state.running && !state.terminated && !previous) return [];
  const query = `container=${name}&tailLines=${most.lines}&previous=${previous}`;
  const text = await api
    .get(`/api/v1/namespaces/${namespace}/pods/${pod}/log?${query}`)
    .catch((error: Error) => `(no log: ${error.message})`);
  return text.trimEnd() === ""
    ? []
    : [
        `  last lines of ${name}:`,
        ...text
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`),
      ];
}
