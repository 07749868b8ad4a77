import { describe, expect, it } from "vitest";
import { plain } from "../../cli/sample";
import { poolClaims, tooFewConnections } from "../../components/wire/postgresql-connections";
import { runValues } from "../../components/wire/releases/index";
import { mergeValues, staticValues, type Values } from "../../components/wire/values";

const values = (own: Values = {}) =>
  mergeValues(staticValues("wire-server"), runValues["wire-server"]?.(plain) ?? {}, own);
const refusal = (maxConnections: number, own: Values = {}, datanodes = 3) =>
  tooFewConnections(poolClaims(values(own)), maxConnections, datanodes);

describe("the connections to PostgreSQL", () => {
  it("are counted for every service that is given PostgreSQL, an update included", () => {
    const given = Object.entries(values()).flatMap(([service, section]) =>
      JSON.stringify(section, (_, value) => (typeof value === "object" ? { ...value } : value)).includes(
        "postgresql-external-rw",
      )
        ? [service]
        : [],
    );
    const claims = poolClaims(values());
    expect(claims.map(({ service }) => service).sort()).toEqual(given.sort());
    expect(claims).toEqual(
      expect.arrayContaining([
        { service: "brig", pool: 10, pods: 3, podsInUpdate: 6 },
        { service: "galley", pool: 10, pods: 3, podsInUpdate: 6 },
        { service: "background-worker", pool: 5, pods: 1, podsInUpdate: 1 },
        { service: "elasticsearch-index", pool: 5, pods: 1, podsInUpdate: 1 },
      ]),
    );
  });

  it("are enough from what an update and the nodes themselves hold", () => {
    expect(refusal(171)).toBeUndefined();
    expect(refusal(170)).toMatch(
      /^170 are too few: .* hold up to 160, .*brig 6 × 10 \(3 pods and as many new ones\).* the data nodes themselves 11; give 171 or more, or smaller pools/,
    );
    expect(refusal(167, {}, 1)).toBeUndefined();
  });

  it("follow the operator's values: replicas, pools, and a pool that no value has a size for", () => {
    expect(refusal(200, { brig: { replicaCount: 6 } })).toMatch(/hold up to 220, .*brig 12 × 10/);
    expect(refusal(200, { galley: { config: { postgresqlPool: { size: 3 } } } })).toBeUndefined();
    expect(refusal(200, { spar: { config: { postgresql: { host: "there" } } } })).toMatch(/spar 6 × 100/);
  });
});
