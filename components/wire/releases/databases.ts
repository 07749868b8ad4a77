import { ports } from "../../data-services/rabbitmq/configuration";
import type { WireContext } from "../context";
import type { Values } from "../values";

/** The Kubernetes secret with the authority of the data services' certificates, and its key there. */
export const authoritySecret = { name: "data-services-authority", key: "ca.crt" } as const;

/** The settings that several charts have for a data service, under the names of the `*-external` charts. */
export function connections({ services, datanodes }: WireContext) {
  const { cassandra, elasticsearch, postgresql, rabbitmq } = services;
  // As a reference: some charts fail on the certificate itself (elasticsearch-index), others take none (RabbitMQ).
  const tlsCaSecretRef = authoritySecret;
  return {
    cassandra: { host: "cassandra-external", ...(cassandra.authority && { tlsCaSecretRef }) },
    /** Copies of each row: as many as upstream keeps, where there are machines for them. */
    replicationFactor: Math.min(3, datanodes),
    elasticsearch: {
      host: "elasticsearch-external",
      ...(elasticsearch.authority && { scheme: "https", tlsCaSecretRef }),
    },
    rabbitmq: {
      host: "rabbitmq-external",
      ...(rabbitmq.authority && { enableTls: true, port: ports.amqpTls, tlsCaSecretRef }),
    },
    /** What the interface for administrators is reached by, besides; charts know its port without TLS. */
    administration: rabbitmq.authority ? { adminPort: ports.managementTls } : {},
    postgresql: {
      host: "postgresql-external-rw",
      // Text: libpq gets it as it stands.
      port: "5432",
      user: postgresql.user,
      dbname: postgresql.database,
      // The charts have no way to give it an authority: what is sent is encrypted, whoever answers.
      // Nor may a login be bound to its certificate: libpq has no digest for Ed25519, and gives up.
      ...(postgresql.authority && { sslmode: "require", channel_binding: "disable" }),
    },
  } satisfies Values;
}
