import { z } from "zod";

const heapMiB = z
  .int()
  .min(128)
  .optional()
  .describe("Size of the Java heap, in MiB. Default: follows the memory of the machine.");

/** Settings of the data services; what is not here follows from the machines. */
export const dataServices = z.strictObject({
  tls: z
    .boolean()
    .default(false)
    .describe("Whether clients reach the services by TLS, where Wire's charts can."),
  cassandra: z.strictObject({ heapMiB }).prefault({}).describe("Cassandra."),
  elasticsearch: z.strictObject({ heapMiB }).prefault({}).describe("Elasticsearch."),
  postgresql: z
    .strictObject({
      maxConnections: z
        .int()
        .min(20)
        .max(1000)
        .default(200)
        .describe(
          "Connections at a time. With three Kubernetes nodes Wire's services hold up to 70, and 130 while they are updated.",
        ),
    })
    .prefault({})
    .describe("PostgreSQL."),
});
