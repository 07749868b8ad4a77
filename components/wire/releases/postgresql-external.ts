import * as pulumi from "@pulumi/pulumi";
import type { WireContext } from "../context";
import type { Values } from "../values";

/**
 * Gives the primary and the standbys a name each. After a failover the chart's job writes the new primary's address
 * into the first one; it asks the nodes as repmgr.
 */
export function postgresqlExternal({ services, secrets }: WireContext): Values {
  const addresses = pulumi.output(services.postgresql.addresses);
  return {
    RWIPs: addresses.apply((all) => all.slice(0, 1)),
    // The chart insists on a standby; with one node it is its own.
    ROIPs: addresses.apply((all) => (all.length > 1 ? all.slice(1) : all)),
    // The chart has a password of its own here, which everybody knows.
    cronJob: { env: { PGPASSWORD: secrets.postgresql.repmgr } },
  };
}
