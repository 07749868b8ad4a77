import type { types } from "@pulumi/kubernetes";
import { brokerName, brokerPaths, type WasimoffPlan } from "../config/wasimoff";
import { eras, transportPort, wasimoffPorts } from "../config/wasimoff-eras";

/**
 * The objects of Wasimoff in Kubernetes, as far as they follow from the plan alone. Upstream has no chart, and these are
 * few. Names, once given, are part of what a stack has.
 */

/** The service account's token of a pod is nobody's business here, and what runs is code of strangers. */
const closedPod = {
  automountServiceAccountToken: false,
  enableServiceLinks: false,
};

/** Neither image needs root, and nothing of them writes but to volumes. */
const podSecurity = {
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  fsGroup: 65532,
  seccompProfile: { type: "RuntimeDefault" },
};

const containerSecurity = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
};

/** Port of the provider's own program: readiness, and what it does. */
export const providerPort = 4090;

/** Seconds that a provider may take to finish its jobs before an update ends it. */
export const drainSeconds = 120;

const labels = (part: "broker" | "provider") => ({ app: "wasimoff", part });

/** Whatever else is in the cluster, only what is listed reaches these pods. Needs a network that enforces policies. */
export const networkPolicies = (
  plan: WasimoffPlan,
): Record<string, types.input.networking.v1.NetworkPolicySpec> => ({
  closed: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  broker: {
    podSelector: { matchLabels: labels("broker") },
    policyTypes: ["Ingress"],
    ingress: [
      plan.transport
        ? // The host's firewall has looked at where they come from; a node in between hides it.
          { ports: [port("http", "TCP"), port("quic", "UDP")] }
        : {
            from: [
              { podSelector: { matchLabels: labels("provider") } },
              {
                namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "default" } },
                podSelector: {},
              },
            ],
            ports: [port("http", "TCP")],
          },
    ],
  },
  provider: {
    podSelector: { matchLabels: labels("provider") },
    policyTypes: ["Egress"],
    egress: [
      {
        to: [{ podSelector: { matchLabels: labels("broker") } }],
        ports: [port("http", "TCP"), port("quic", "UDP")],
      },
      {
        to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } }],
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
    ],
  },
});

const port = (name: keyof typeof wasimoffPorts, protocol: "TCP" | "UDP") => ({
  protocol,
  port: wasimoffPorts[name],
});

/** Ports of the broker's service. */
export const servicePorts = ({ era, transport }: WasimoffPlan) => [
  {
    name: "http",
    port: transport ? transportPort.public : wasimoffPorts.http,
    targetPort: wasimoffPorts.http,
    ...(transport ? { nodePort: transportPort.node } : {}),
  },
  ...(era === "webtransport"
    ? [
        {
          name: "quic",
          protocol: "UDP",
          port: transport ? transportPort.public : wasimoffPorts.quic,
          targetPort: wasimoffPorts.quic,
          ...(transport ? { nodePort: transportPort.node } : {}),
        },
      ]
    : []),
];

const variables = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => ({ name, value }));

function brokerContainer(plan: WasimoffPlan) {
  const { era, environment, images, broker, mode, transport } = plan;
  const probe = {
    httpGet: {
      path: eras[era].health,
      port: wasimoffPorts.http,
      ...(mode === "localhost" ? { host: "127.0.0.1" } : {}),
      ...(transport ? { scheme: "HTTPS" } : {}),
    },
    timeoutSeconds: 10,
  };
  return {
    name: "broker",
    image: images.broker,
    env: variables(environment),
    ports: servicePorts(plan).map(({ name, targetPort, ...rest }) => ({
      name,
      containerPort: targetPort,
      protocol: "protocol" in rest ? rest.protocol : "TCP",
    })),
    readinessProbe: { ...probe, periodSeconds: 5 },
    livenessProbe: { ...probe, initialDelaySeconds: 30, periodSeconds: 30 },
    volumeMounts: [
      ...(era === "websocket" ? [{ name: "storage", mountPath: brokerPaths.storage }] : []),
      ...(transport ? [{ name: "certificate", mountPath: "/certificate", readOnly: true }] : []),
    ],
    securityContext: containerSecurity,
    resources: {
      requests: { cpu: "50m", memory: "64Mi" },
      limits: { memory: `${broker.memoryMiB}Mi` },
    },
  };
}

/** @param number tells those in one pod apart. */
function providerContainer({ images, providers, providerUrl, mode }: WasimoffPlan, number = 0) {
  const listen = providerPort + number;
  const probe = {
    port: listen,
    ...(mode === "localhost" ? { host: "127.0.0.1" } : {}),
  };
  return {
    name: mode === "localhost" ? `provider${number + 1}` : "provider",
    image: images.provider,
    args: [`--listen=${mode === "localhost" ? "127.0.0.1" : ""}:${listen}`],
    env: [
      ...variables({ WASIMOFF_BROKER: providerUrl, WASIMOFF_WORKERS: `${providers.workers}` }),
      // Tells one from another where they are listed.
      { name: "WASIMOFF_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    ],
    // Ready once the broker has it. What is lost is the program's own to mend: it starts the browser anew.
    readinessProbe: { httpGet: { path: "/ready", ...probe }, periodSeconds: 5, timeoutSeconds: 10 },
    livenessProbe: {
      httpGet: { path: "/alive", ...probe },
      initialDelaySeconds: 30,
      periodSeconds: 30,
      timeoutSeconds: 10,
    },
    volumeMounts: [
      { name: "profile", mountPath: "/profile" },
      { name: "shared-memory", mountPath: "/dev/shm" },
    ],
    securityContext: containerSecurity,
    resources: {
      requests: { cpu: "100m", memory: "384Mi" },
      limits: { cpu: `${providers.workers}`, memory: `${providers.memoryMiB}Mi` },
    },
  };
}

/** Chromium keeps its profile in memory, and dies of the 64 MiB of shared memory that containers get. */
const browserVolumes = [
  { name: "profile", emptyDir: { sizeLimit: "1Gi" } },
  { name: "shared-memory", emptyDir: { medium: "Memory", sizeLimit: "512Mi" } },
];

const storageVolume = { name: "storage", persistentVolumeClaim: { claimName: "storage" } };

/**
 * The broker, alone. It is never there twice: queue and providers' sockets are in its memory.
 * @param certificate - Fingerprint of what it reads once, where it serves TLS itself.
 */
export function brokerDeployment(plan: WasimoffPlan, certificate: string) {
  const isLocal = plan.mode === "localhost";
  const local = isLocal
    ? Array.from({ length: plan.providers.replicas }, (_, index) => providerContainer(plan, index))
    : [];
  return {
    replicas: 1,
    strategy: { type: "Recreate" },
    selector: { matchLabels: labels("broker") },
    template: {
      metadata: {
        labels: labels("broker"),
        ...(plan.transport ? { annotations: { "wiab/certificate": certificate } } : {}),
      },
      spec: {
        ...closedPod,
        // In localhost mode the machine's own network is what makes "localhost" one place for all of them.
        ...(isLocal ? { hostNetwork: true, nodeSelector: { "kubernetes.io/hostname": `${plan.node}` } } : {}),
        securityContext: podSecurity,
        containers: [brokerContainer(plan), ...local],
        volumes: [
          ...(plan.era === "websocket" ? [storageVolume] : []),
          ...(plan.transport ? [{ name: "certificate", secret: { secretName: "certificate" } }] : []),
          ...(local.length > 0 ? browserVolumes : []),
        ],
      },
    },
  };
}

/**
 * Our own providers, where they are pods of their own.
 * @param brokerAddress - Address that the public name has for them; they come by the broker's service where it is not given.
 */
export function providerDeployment<Address>(plan: WasimoffPlan, brokerAddress: Address | undefined) {
  return {
    replicas: plan.providers.replicas,
    // Another one is there before one goes, so that jobs always have somewhere to run.
    strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    selector: { matchLabels: labels("provider") },
    template: {
      metadata: { labels: labels("provider") },
      spec: {
        ...closedPod,
        securityContext: podSecurity,
        terminationGracePeriodSeconds: drainSeconds + 10,
        ...(brokerAddress === undefined
          ? {}
          : { hostAliases: [{ ip: brokerAddress, hostnames: [plan.hostName] }] }),
        containers: [providerContainer(plan)],
        volumes: browserVolumes,
      },
    },
  };
}

/** Who may come through the ingress, how long a job's connection stays open and how large a module may be. */
export const ingressAnnotations = ({
  access: { networks, token },
}: Pick<WasimoffPlan, "access">): Record<string, string> => {
  const prefix = "nginx.ingress.kubernetes.io/";
  return {
    [`${prefix}proxy-body-size`]: "256m",
    [`${prefix}proxy-read-timeout`]: "3600",
    [`${prefix}proxy-send-timeout`]: "3600",
    ...(networks.length > 0 ? { [`${prefix}whitelist-source-range`]: networks.join(",") } : {}),
    ...(token
      ? {
          [`${prefix}auth-type`]: "basic",
          [`${prefix}auth-secret`]: "token",
          [`${prefix}auth-realm`]: "wasimoff",
        }
      : {}),
  };
};

/** Paths of the public name. Those that are closed lead to a service without any endpoint. */
export const ingressPaths = ({ era }: Pick<WasimoffPlan, "era">) =>
  [...eras[era].closedPaths.map((path) => [path, "closed"] as const), ["/", brokerName] as const].map(
    ([path, name]) => ({
      path,
      pathType: "Prefix",
      backend: { service: { name, port: { number: wasimoffPorts.http } } },
    }),
  );

/** The namespace's labels: what Kubernetes itself holds its pods to. */
export const namespaceLabels = ({ mode }: Pick<WasimoffPlan, "mode">): Record<string, string> => ({
  // A machine's own network is for no pod that the standards are kept for.
  "pod-security.kubernetes.io/enforce": mode === "localhost" ? "privileged" : "restricted",
});
