import * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../config/schema";
import { keepMembership } from "../machine/membership";
import type { Target } from "../machine/target";
import { Cassandra } from "./cassandra/cassandra";
import { Elasticsearch } from "./elasticsearch/elasticsearch";
import { Minio } from "./minio/minio";
import type { DataServiceArgs } from "./node";
import { Postgresql } from "./postgresql/postgresql";
import { Rabbitmq } from "./rabbitmq/rabbitmq";

/** Arguments of {@link DataServices}. */
export interface DataServicesArgs extends Omit<DataServiceArgs, "tls"> {
  readonly settings: Configuration["dataServices"];
}

/** The five services side by side on the same nodes; none waits for another. */
export class DataServices extends pulumi.ComponentResource {
  readonly cassandra: Cassandra;
  readonly postgresql: Postgresql;
  readonly elasticsearch: Elasticsearch;
  readonly minio: Minio;
  readonly rabbitmq: Rabbitmq;
  private readonly served: ReadonlyMap<string, Target>;

  constructor(name: string, args: DataServicesArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:data-services:DataServices", name, {}, options);
    const child = { parent: this };
    const { settings, nodes, ...rest } = args;
    const service = {
      ...rest,
      tls: settings.tls,
      nodes: nodes.map((node) => ({
        ...node,
        target: {
          ...node.target,
          after: [
            keepMembership(`${name}-${node.name}`, "data-services", node.target, nodes, "before", child),
          ],
        },
      })),
    };
    // Beside this component, not below it: their names are known to people and stand in commands.
    this.cassandra = new Cassandra("cassandra", { ...service, ...settings.cassandra });
    this.postgresql = new Postgresql("postgresql", { ...service, ...settings.postgresql });
    this.elasticsearch = new Elasticsearch("elasticsearch", { ...service, ...settings.elasticsearch });
    this.minio = new Minio("minio", service);
    this.rabbitmq = new Rabbitmq("rabbitmq", service);
    // Once the services are healthy, what was to retire has done so.
    const services = [this.cassandra, this.postgresql, this.elasticsearch, this.minio, this.rabbitmq];
    const after = pulumi
      .all(services.map(({ connection }) => connection.addresses))
      .apply(() => "after" as const);
    this.served = new Map(
      nodes.map((node) => [
        node.name,
        {
          ...node.target,
          after: [
            keepMembership(`${name}-${node.name}-kept`, "data-services", node.target, nodes, after, child),
          ],
        },
      ]),
    );
    this.registerOutputs();
  }

  /** A node, once all services are healthy. */
  targetOf(node: string): Target {
    const target = this.served.get(node);
    if (!target) throw new Error(`there is no data node ${node}`);
    return target;
  }

  /** How clients reach each of them. */
  get connections() {
    const { cassandra, postgresql, elasticsearch, minio, rabbitmq } = this;
    return {
      cassandra: cassandra.connection,
      postgresql: postgresql.connection,
      elasticsearch: elasticsearch.connection,
      minio: minio.connection,
      rabbitmq: rabbitmq.connection,
    };
  }
}
