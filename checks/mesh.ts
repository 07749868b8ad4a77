import type { Report } from "./report";

/** What programs/mesh.py gives: the status of a gateway (mesh/exchange/status.go). */
export interface MeshFacts {
  readonly zone: string;
  /** Days that the site's own certificate has left. */
  readonly daysLeft: number;
  readonly drift: readonly string[];
  readonly peers: readonly {
    readonly zone: string;
    readonly state: string;
    readonly trouble?: string;
    readonly handshakeAge: number;
    readonly standby: boolean;
  }[];
  readonly names: readonly {
    readonly source: string;
    readonly name: string;
    readonly label?: string;
    readonly refused?: string;
    readonly closed?: boolean;
  }[];
}

/** Days before its end that the site's certificate has to be renewed by: `up` does it once a month. */
const leastDays = 30;

/** Judges a gateway: whether its peers are there, its certificate lasts, and it is as it was made. */
export async function checkMesh(report: Report, facts: MeshFacts): Promise<void> {
  await report.check(`certificate of ${facts.zone}`, () => {
    const left = `${facts.daysLeft.toFixed(0)} days left`;
    if (facts.daysLeft < leastDays)
      throw new Error(
        `${left}: run "npm run pulumi -- up" where the stack issues it, or put another in its place`,
      );
    return left;
  });
  for (const { zone, state, trouble, handshakeAge, standby } of facts.peers)
    await report.check(`site ${zone}`, () => {
      if (state !== "joined" || trouble) throw new Error(`${state}: ${trouble ?? "it has not answered yet"}`);
      return `last handshake ${handshakeAge.toFixed(0)} s ago${standby ? "" : "; its second interface is not ready"}`;
    });
  await report.check("as it was made", () => {
    if (facts.drift.length > 0)
      throw new Error(
        `${facts.drift.join("; ")}: systemctl restart wiab-mesh-device wiab-mesh wiab-mesh-forward on the gateway puts it right`,
      );
    return "interfaces, addresses and rules";
  });
  for (const { source, name, label, refused, closed } of facts.names)
    if (refused) report.note(`${source} ${JSON.stringify(name)} has no name in the mesh: it ${refused}`);
    else if (closed)
      report.note(
        `${source} ${JSON.stringify(name)} is ${label}.${facts.zone}, and no peer may use it: mesh.access does not have it`,
      );
}
