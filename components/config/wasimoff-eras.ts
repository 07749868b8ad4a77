/**
 * What Wasimoff's images know, by era of upstream: that of its tag starless24 (February 2024), whose providers speak
 * WebTransport, and that of today (January 2026), whose providers speak WebSocket. An image of one era ignores the
 * variables of the other without a word, so what is not in its table is refused.
 */

/** What a variable of the broker's is for: the program sets it, or an operator may. */
export type Setter = "program" | "operator";

/** An era of upstream, as far as a deployment has to know it. */
export interface Era {
  /** Names of upstream's own images of its broker. */
  readonly images: RegExp;
  /** Variables of the broker. */
  readonly variables: Readonly<Record<string, Setter>>;
  /** Path that answers while the broker is well. */
  readonly health: string;
  /** Paths that nobody outside the cluster is to reach. */
  readonly closedPaths: readonly string[];
}

/** The broker's ports (upstream's defaults). QUIC, and with it UDP, is of the WebTransport era alone. */
export const wasimoffPorts = { http: 4080, quic: 4443 } as const;

/** Port that browsers reach a broker of the WebTransport era at, TCP and UDP, and the nodes' port behind it. */
export const transportPort = { public: 4443, node: 31775 } as const;

export const eras = {
  websocket: {
    images: /^ghcr\.io\/wasimoff\/broker[:@]/,
    variables: {
      WASIMOFF_HTTP_LISTEN: "program",
      WASIMOFF_HTTP_CERT: "program",
      WASIMOFF_HTTP_KEY: "program",
      WASIMOFF_ALLOWED_ORIGINS: "program",
      WASIMOFF_FILESTORAGE: "program",
      WASIMOFF_METRICS: "program",
      WASIMOFF_STATIC_FILES: "operator",
      WASIMOFF_CLOUD_CREDENTIALS: "operator",
      WASIMOFF_CLOUD_FUNCTION: "operator",
      WASIMOFF_CLOUD_CONCURRENCY: "operator",
      WASIMOFF_BENCHMODE: "operator",
      WASIMOFF_DEBUG: "operator",
    },
    health: "/healthz",
    closedPaths: ["/metrics", "/debug"],
  },
  webtransport: {
    images: /^docker\.io\/ansemjo\/wasimoff:starless24/,
    variables: {
      WASIMOFF_HTTP_LISTEN: "program",
      WASIMOFF_QUIC_LISTEN: "program",
      WASIMOFF_QUIC_CERT: "program",
      WASIMOFF_QUIC_KEY: "program",
      WASIMOFF_HTTPS: "program",
      WASIMOFF_TRANSPORT_URL: "program",
      WASIMOFF_STATIC_FILES: "operator",
    },
    health: "/api/broker/v1/healthz",
    closedPaths: [],
  },
} as const satisfies Record<string, Era>;

export type EraName = keyof typeof eras;

export const eraNames = Object.keys(eras) as [EraName, ...EraName[]];

/** The variables of an era, whichever it is. */
export const variablesOf = (era: EraName): Readonly<Record<string, Setter>> => eras[era].variables;
