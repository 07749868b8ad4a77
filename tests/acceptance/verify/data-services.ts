import type { Report } from "../../../checks/report";
import type { LabOutputs } from "../../../lab/context";
import { waitFor } from "../../../lab/wait";
import type { RemoteMachine } from "./machine";

/** Each has a program on its nodes that looks at the whole cluster from there (components/data-services). */
export const dataServices = ["cassandra", "postgresql", "elasticsearch", "minio", "rabbitmq"] as const;
export type DataServiceName = (typeof dataServices)[number];

/**
 * Waits until each service on each of its nodes says that it is healthy; the answer has what was measured. The last
 * complaint is the error.
 * @param patience - Seconds that services have after a boot; emulated machines take minutes.
 */
export async function checkDataServices(
  report: Report,
  { machines }: LabOutputs,
  reach: (name: string) => RemoteMachine,
  patience = 900,
): Promise<void> {
  const nodes = machines.filter(({ role }) => role === "datanode");
  const pairs = dataServices.flatMap((service) => nodes.map(({ name }) => ({ service, name })));
  await report.each(pairs, (report, { service, name }) =>
    report.check(`${name}: ${service}`, () =>
      waitFor(`${service} on ${name} to be healthy`, patience, async () =>
        (await reach(name).run(`sudo /opt/wiab/${service}/health`)).trim(),
      ),
    ),
  );
}
