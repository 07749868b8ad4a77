import type { types } from "@pulumi/kubernetes";
import { ports as cassandraPorts } from "../data-services/cassandra/configuration";
import { ports as elasticsearchPorts } from "../data-services/elasticsearch/configuration";
import { port as minioPort } from "../data-services/minio/configuration";
import { ports as postgresqlPorts } from "../data-services/postgresql/configuration";
import { ports as rabbitmqPorts } from "../data-services/rabbitmq/configuration";

type Spec = types.input.networking.v1.NetworkPolicySpec;

/** What the policies depend on. */
export interface NetworkPolicyArgs {
  /** IPv4 addresses of the datanodes, retiring ones too. */
  readonly datanodes: readonly string[];
  /** IPv4 address of the mesh's gateway, which brings what comes from other sites. @default there is no mesh */
  readonly gateway?: string;
}

/** What asks for a password; pods of other releases use some of it (the endpoint manager PostgreSQL, the ingress MinIO). */
const withPassword: readonly number[] = [
  postgresqlPorts.database,
  minioPort,
  rabbitmqPorts.amqp,
  rabbitmqPorts.amqpTls,
  rabbitmqPorts.management,
  rabbitmqPorts.managementTls,
];

/** What asks for none. */
const withoutPassword: readonly number[] = [cassandraPorts.native, elasticsearchPorts.http];

/** The label that all pods of the umbrella wire-server have, those of its jobs too. */
const backend = { release: "wire-server" } as const;
/** Those of them that clients or other backends speak to: a hole in one of them must not open the data. */
const fronts = ["nginz", "federator", "proxy"];

const tcp = (ports: readonly number[]) => ports.map((port) => ({ protocol: "TCP", port }));
const addresses = (all: readonly string[]) => all.map((address) => ({ ipBlock: { cidr: `${address}/32` } }));

/**
 * Who may speak to whom in the namespace of Wire's releases, as far as it is not held by a password: Cassandra, Elasticsearch
 * and Redis, whatever else listens on the datanodes, and the backend's own interfaces between its parts, which ask nobody who
 * they are. The rest of the pods' ways stays as it is. Labels are those of Wire's charts (wire-server of April 2026).
 * A policy allows and never refuses: what one of them allows, holds. They need a network that enforces them.
 *
 * @returns Specs by the names of the policies.
 */
export const networkPolicies = ({ datanodes, gateway }: NetworkPolicyArgs): Record<string, Spec> => ({
  // All pods: everywhere but to datanodes, and there to what asks for a password. A gateway keeps all of its ports.
  "wire-outgoing": {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [
      {
        to: [
          {
            ipBlock: {
              cidr: "0.0.0.0/0",
              except: datanodes.filter((each) => each !== gateway).map((each) => `${each}/32`),
            },
          },
          // Pods are no addresses to every network.
          { namespaceSelector: {} },
        ],
      },
      { to: addresses(datanodes), ports: tcp(withPassword) },
    ],
  },
  "wire-data": {
    podSelector: {
      matchLabels: backend,
      matchExpressions: [{ key: "app", operator: "NotIn", values: fronts }],
    },
    policyTypes: ["Egress"],
    egress: [{ to: addresses(datanodes), ports: tcp(withoutPassword) }],
  },
  "wire-backend": {
    podSelector: { matchLabels: backend },
    policyTypes: ["Ingress"],
    ingress: [
      { from: [{ podSelector: { matchLabels: backend } }, ...(gateway ? addresses([gateway]) : [])] },
    ],
  },
  // Whoever comes by the ingress or a port of a node; cannon's own nginz takes its clients there.
  "wire-clients": {
    podSelector: { matchLabels: { ...backend, app: "nginz" } },
    policyTypes: ["Ingress"],
    ingress: [{}],
  },
  "wire-federation": {
    podSelector: { matchLabels: { ...backend, app: "federator" } },
    policyTypes: ["Ingress"],
    // Its other port takes the backend's word for who asks.
    ingress: [{ ports: tcp([8081]) }],
  },
  "wire-redis": {
    podSelector: { matchLabels: { "app.kubernetes.io/instance": "databases-ephemeral" } },
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { ...backend, app: "gundeck" } } }],
        ports: tcp([6379]),
      },
    ],
  },
});
