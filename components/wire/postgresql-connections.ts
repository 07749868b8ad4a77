import type { Values } from "./values";

/** The connections to PostgreSQL that one of Wire's services may hold at a time. */
export interface PoolClaim {
  readonly service: string;
  /** Of one pod. */
  readonly pool: number;
  readonly pods: number;
  /** Pods while the service is updated. */
  readonly podsInUpdate: number;
}

/** What brig's, galley's and elasticsearch-index's charts take where the values say nothing. */
const chartsOwnPool = 100;

/** Services of which the chart ends the old pods before it starts new ones. */
const recreated = ["background-worker"];

/** Jobs, of which there is one pod. */
const jobs = ["elasticsearch-index"];

/**
 * Who holds how many connections, from all values of the release wire-server. An update starts as many new pods as there are
 * old ones before these end: `maxSurge` is the number of replicas in Wire's charts.
 */
export const poolClaims = (values: Values): PoolClaim[] =>
  Object.entries(values).flatMap(([service, value]) => {
    const section = { ...(value as Section), ...(value as Section)?.config };
    if (!section.postgresql && !section.postgresqlPool) return [];
    const pods = jobs.includes(service) ? 1 : ((value as Section).replicaCount ?? 1);
    const once = jobs.includes(service) || recreated.includes(service);
    return [
      {
        ...{ service, pods, podsInUpdate: once ? pods : 2 * pods },
        pool: section.postgresqlPool?.size ?? chartsOwnPool,
      },
    ];
  });

interface Section {
  readonly replicaCount?: number;
  readonly config?: Section;
  readonly postgresql?: unknown;
  readonly postgresqlPool?: { readonly size?: number };
}

/**
 * What the nodes themselves hold on the primary: repmgrd and the guard of each, and besides the exporter, the endpoint
 * manager, a backup, and two of whoever looks at it. PostgreSQL keeps three of them back for superusers.
 */
const ownConnections = (nodes: number): number => 2 * nodes + 5;

/**
 * Why PostgreSQL has too few connections; undefined if it has enough for an update of Wire.
 * @param maxConnections - Of the server.
 * @param datanodes - How many nodes PostgreSQL has.
 */
export function tooFewConnections(
  claims: readonly PoolClaim[],
  maxConnections: number,
  datanodes: number,
): string | undefined {
  const wire = claims.reduce((sum, { pool, podsInUpdate }) => sum + pool * podsInUpdate, 0);
  const own = ownConnections(datanodes);
  if (wire + own <= maxConnections) return undefined;
  const parts = claims.map(
    ({ service, pool, pods, podsInUpdate }) =>
      `${service} ${podsInUpdate} × ${pool}${podsInUpdate > pods ? ` (${pods} pods and as many new ones)` : ""}`,
  );
  return `${maxConnections} are too few: while Wire is updated its services hold up to ${wire}, ${parts.join(", ")}, and the data nodes themselves ${own}; give ${wire + own} or more, or smaller pools in wire.values (postgresqlPool.size)`;
}
