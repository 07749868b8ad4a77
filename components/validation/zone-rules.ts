import type { Problem, Sections } from "./problem";

/** Roles whose machines vote, and what is lost with most of them. */
const voters = [
  ["kubenode", "etcd, and with it Kubernetes"],
  ["datanode", "Cassandra, PostgreSQL, Elasticsearch, MinIO and RabbitMQ"],
] as const;

/** Of machines that share their data either all say where they are or none does. */
export function zoneRules({ machines }: Sections<"machines">): Problem[] {
  return voters.flatMap(([role]) => {
    const told = machines.some((machine) => machine.role === role && machine.zone !== undefined);
    return machines.flatMap((machine, index) =>
      told && machine.role === role && machine.zone === undefined
        ? [
            {
              key: `machines[${index}].zone`,
              message: `is missing: other ${role}s have one, and copies are spread over zones; say where ${machine.name} is`,
            },
          ]
        : [],
    );
  });
}

/** Zones whose loss would take the majority along. */
export function zoneWarnings({ machines }: Sections<"machines">): string[] {
  return voters.flatMap(([role, lost]) => {
    const staying = machines.filter((machine) => machine.role === role && !machine.retiring);
    const zones = [...new Set(staying.flatMap(({ zone }) => zone ?? []))];
    return zones.flatMap((zone) => {
      const inside = staying.filter((machine) => machine.zone === zone).length;
      return 2 * inside < staying.length
        ? []
        : [
            `machines: zone ${zone} has ${inside} of ${staying.length} ${role}s: with it ${lost} would stand still; over three zones or more, none has as many as half`,
          ];
    });
  });
}
