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

/** Backups of the data services and of Kubernetes to the asset host. */
export const backup = z.strictObject({
  schedule: z
    .string()
    .min(1)
    .default("*-*-* 02:30:00")
    .describe("When each service is backed up to the asset host: a calendar event of systemd.time(7)."),
  keep: z
    .int()
    .min(1)
    .max(365)
    .default(7)
    .describe("Backups of each service and node that are kept however old they are: the newest."),
  keepDays: z
    .int()
    .min(1)
    .max(3650)
    .default(7)
    .describe("Days for which no backup is deleted, however many there are."),
});
