/** What is known of a Helm release before anything else is. */
export interface ReleasePlan {
  /** The version of its chart in Wire's release 5.32 (wire-builds, June 2026); asked for in a Helm repository. */
  readonly version: string;
  /** @default "default" */
  readonly namespace?: string;
  /**
   * How long Helm waits for hooks and pods, each, in minutes. Upstream's scripts give 15 to what runs Wire's own
   * services and 5 to the rest; images come over the machines' network here.
   */
  readonly minutes: number;
}

/** All releases, in the order in which upstream's script installs them. */
export const releases = {
  "cassandra-external": { version: "5.32.0", minutes: 5 },
  "elasticsearch-external": { version: "5.32.0", minutes: 5 },
  "minio-external": { version: "5.32.0", minutes: 5 },
  "postgresql-external": { version: "0.0.44", minutes: 5 },
  "fake-aws": { version: "5.32.0", minutes: 10 },
  smtp: { version: "1.0.4", minutes: 10 },
  "rabbitmq-external": { version: "5.32.0", minutes: 5 },
  "databases-ephemeral": { version: "5.32.0", minutes: 10 },
  reaper: { version: "5.32.0", minutes: 10 },
  "wire-server": { version: "5.32.0", minutes: 15 },
  webapp: { version: "0.8.0-pre.2699", minutes: 10 },
  "account-pages": { version: "0.9.0-pre.49", minutes: 10 },
  "team-settings": { version: "0.15.0", minutes: 10 },
  "smallstep-accomp": { version: "6.0.11", minutes: 10 },
  "ingress-nginx-controller": { version: "5.32.0", minutes: 10 },
  "cert-manager": { version: "1.16.3", minutes: 10, namespace: "cert-manager-ns" },
  "nginx-ingress-services": { version: "5.32.0", minutes: 5 },
  sftd: { version: "0.135.0", minutes: 10 },
  coturn: { version: "4.6.2-federation-wireapp.47", minutes: 10 },
} as const satisfies Record<string, ReleasePlan>;

export type ReleaseName = keyof typeof releases;

export const releaseNames = Object.keys(releases) as [ReleaseName, ...ReleaseName[]];

/** What decides which releases there are. */
export interface ReleaseChoice {
  readonly calling: boolean;
  readonly teamSettings: boolean;
  /** Whether certificates come from Let's Encrypt. */
  readonly acme: boolean;
  /** Whether mail goes to a server of the operator's. */
  readonly mailRelay: boolean;
  /** Whether there are values for the companion of Smallstep's certificate authority. */
  readonly smallstep: boolean;
  /** Releases that Wire has given up. @default none */
  readonly dropped?: readonly ReleaseName[];
}

/** The Kubernetes namespace of a release. */
export const namespaceOf = (release: ReleaseName): string =>
  (releases[release] as ReleasePlan).namespace ?? "default";

/** The releases of a deployment, in the order of {@link releases}. */
export function chooseReleases(choice: ReleaseChoice): ReleaseName[] {
  const without = new Set<ReleaseName>([
    ...(choice.calling ? [] : (["sftd", "coturn"] as const)),
    ...(choice.teamSettings ? [] : (["team-settings"] as const)),
    ...(choice.acme ? [] : (["cert-manager"] as const)),
    ...(choice.mailRelay ? (["smtp"] as const) : []),
    ...(choice.smallstep ? [] : (["smallstep-accomp"] as const)),
    ...(choice.dropped ?? []),
  ]);
  return releaseNames.filter((name) => !without.has(name));
}
