import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { StackRecord } from "./record";
import type { Report } from "./report";

/** What was said of a service: what was measured, or what is wrong. */
export interface Told {
  readonly well: boolean;
  readonly text: string;
}

/** Wire's keyspaces and its index of users (the defaults of its charts). */
const keyspaces = ["brig", "galley", "gundeck", "spar"] as const;
const usersIndex = "directory";

const moduleText = (path: string): string =>
  readFileSync(join(__dirname, "..", "components", "data-services", path), "utf8");

/** What programs/clients.py is given: the data services by the names, users and stores of Wire's. */
export function clientsOf({
  outputs: { dataServices },
  resources,
}: Pick<StackRecord, "outputs" | "resources">): object {
  if (!dataServices) throw new Error("the stack has no data services");
  const kubelet = resources.find(({ name }) => name.startsWith("kubernetes-member-"))?.inputs.environment;
  const { clusterDNS, clusterDomain } = parse(kubelet.KUBELET_CONFIG);
  const { cassandra, elasticsearch, minio, postgresql, rabbitmq } = dataServices;
  return {
    dns: [clusterDNS[0], 53],
    domain: clusterDomain,
    modules: { cql: moduleText("cassandra/cql.py"), amqp: moduleText("rabbitmq/amqp.py") },
    services: {
      cassandra: { ...cassandra, service: "cassandra-external", keyspaces },
      elasticsearch: { ...elasticsearch, service: "elasticsearch-external", index: usersIndex },
      minio: { ...minio, ...minio.cargohold, service: "minio-external", bucket: minio.buckets.assets },
      postgresql: { ...postgresql, service: "postgresql-external-rw", readers: "postgresql-external-ro" },
      rabbitmq: { ...rabbitmq, service: "rabbitmq-external" },
      redis: { service: "databases-ephemeral-redis-ephemeral", port: 6379 },
    },
  };
}

/** Passes on what was said of services. */
export async function checkClients(
  report: Report,
  told: Readonly<Record<string, Told>>,
  prefix = "",
): Promise<void> {
  for (const [service, { well, text }] of Object.entries(told))
    await report.check(`${prefix}${service}`, () => {
      if (!well) throw new Error(text);
      return text;
    });
}
