import type { LabOutputs } from "../context";
import type { RemoteMachine } from "./machine";
import type { Report } from "./report";

/** Each has a program on its nodes that looks at the whole cluster from there (components/data-services). */
export const dataServices = ["cassandra", "postgresql", "elasticsearch", "minio", "rabbitmq"] as const;
export type DataServiceName = (typeof dataServices)[number];

/** Asks each service on each of its nodes whether it is healthy; the answer has what was measured. */
export async function checkDataServices(
  report: Report,
  { machines }: LabOutputs,
  reach: (name: string) => RemoteMachine,
): Promise<void> {
  for (const service of dataServices)
    for (const { name } of machines.filter(({ role }) => role === "datanode"))
      await report.check(`${name}: ${service}`, async () =>
        (await reach(name).run(`sudo /opt/wiab/${service}/health`)).trim(),
      );
}
