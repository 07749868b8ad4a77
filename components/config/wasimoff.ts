import { type EraName, eras, transportPort, variablesOf, wasimoffPorts } from "./wasimoff-eras";
import type { WasimoffConfiguration } from "./wasimoff-schema";

/** All that follows from the configuration of Wasimoff. */
export interface WasimoffPlan {
  readonly era: EraName;
  readonly mode: WasimoffConfiguration["mode"];
  readonly images: WasimoffConfiguration["images"];
  /** Public name; in localhost mode that of the machine itself. */
  readonly hostName: string;
  /** What a browser opens, and clients send to. */
  readonly url: string;
  /** What our own providers open; a secure context for them. */
  readonly providerUrl: string;
  /** Whether the port of the WebTransport era is public, for the networks of `access` alone if there are any. */
  readonly transport: boolean;
  readonly access: {
    readonly networks: readonly string[];
    readonly token: boolean;
    readonly open: boolean;
  };
  /** Variables of the broker, complete. */
  readonly environment: Readonly<Record<string, string>>;
  readonly broker: WasimoffConfiguration["broker"];
  readonly providers: WasimoffConfiguration["providers"];
  /** Name of the kubenode in localhost mode. */
  readonly node: string | undefined;
}

/** Namespace of everything of it in the cluster, and the broker's name there. */
export const wasimoffNamespace = "wasimoff";
export const brokerName = "broker";

/** Where things are in the broker's container. */
export const brokerPaths = {
  storage: "/storage",
  certificate: "/certificate/tls.crt",
  privateKey: "/certificate/tls.key",
} as const;

/** The public name of a stack's broker. */
export const wasimoffHost = (domain: string, { hostName }: Pick<WasimoffConfiguration, "hostName">): string =>
  hostName ?? `wasimoff.${domain}`;

/**
 * Works out a checked configuration. Pure.
 * @param nodes - Names of the kubenodes that do not retire.
 */
export function planWasimoff(
  config: WasimoffConfiguration,
  domain: string,
  nodes: readonly string[],
): WasimoffPlan {
  const { era, mode, access } = config;
  const isPublic = mode === "public";
  const hostName = isPublic ? wasimoffHost(domain, config) : "localhost";
  const url = isPublic
    ? era === "websocket"
      ? `https://${hostName}/`
      : `https://${hostName}:${transportPort.public}/`
    : `http://localhost:${wasimoffPorts.http}/`;
  const inside = `http://${brokerName}.${wasimoffNamespace}.svc:${wasimoffPorts.http}/`;
  return {
    era,
    mode,
    images: config.images,
    hostName,
    url,
    providerUrl: isPublic && era === "websocket" ? inside : url,
    transport: isPublic && era === "webtransport",
    access: {
      networks: access.networks,
      token: isPublic && (access.token ?? (access.networks.length === 0 && !access.open)),
      open: access.open,
    },
    environment: { ...config.environment, ...brokerEnvironment(config, hostName) },
    broker: config.broker,
    providers: config.providers,
    node: isPublic ? undefined : (config.node ?? nodes[0]),
  };
}

/** The variables that the program sets, each one of the era's table. */
function brokerEnvironment(
  { era, mode, origins }: WasimoffConfiguration,
  hostName: string,
): Record<string, string> {
  const isPublic = mode === "public";
  // On a machine's own network nobody but the machine itself is to reach it.
  const listen = (port: number) => (isPublic ? `:${port}` : `localhost:${port}`);
  if (era === "websocket")
    return {
      WASIMOFF_HTTP_LISTEN: listen(wasimoffPorts.http),
      // Behind an ingress the page's own host is the public one; our providers come by the service's name.
      WASIMOFF_ALLOWED_ORIGINS: [
        ...(isPublic ? [hostName, `${brokerName}.${wasimoffNamespace}.svc:${wasimoffPorts.http}`] : []),
        ...origins,
      ].join(","),
      WASIMOFF_FILESTORAGE: `dirfs://${brokerPaths.storage}`,
      WASIMOFF_METRICS: "true",
    };
  return {
    WASIMOFF_HTTP_LISTEN: listen(wasimoffPorts.http),
    WASIMOFF_QUIC_LISTEN: listen(wasimoffPorts.quic),
    ...(isPublic
      ? {
          WASIMOFF_QUIC_CERT: brokerPaths.certificate,
          WASIMOFF_QUIC_KEY: brokerPaths.privateKey,
          WASIMOFF_HTTPS: "true",
          WASIMOFF_TRANSPORT_URL: `https://${hostName}:${transportPort.public}/transport`,
        }
      : {
          // A certificate that the broker makes for itself, which browsers take by its hash.
          WASIMOFF_TRANSPORT_URL: `https://127.0.0.1:${wasimoffPorts.quic}/transport`,
        }),
  };
}

/** Why an image of this era must not get a variable; undefined if an operator may set it. */
export function variableProblem(era: EraName, name: string): string | undefined {
  const setter = variablesOf(era)[name];
  if (setter === "operator") return undefined;
  if (setter === "program") return "is set by the program, from the other keys of wasimoff";
  const others = Object.entries(eras).filter(([other, { variables }]) => other !== era && name in variables);
  const free = Object.entries(variablesOf(era)).flatMap(([known, by]) => (by === "operator" ? [known] : []));
  const whose = others.map(([other]) => `a variable of the era ${other}, `).join("");
  return `is ${whose}which a broker of the era ${era} ignores without a word; it knows ${free.join(", ")}`;
}
