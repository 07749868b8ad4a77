import * as pulumi from "@pulumi/pulumi";
import { installOn } from "../../artifact/installation/installation";
import { type Connection, type DataNode, type DataServiceArgs, leaversLast, stayingOf } from "../node";
import { rollOutByProgram } from "../rolling";
import { nodeSettings, ports, renderDefinitions } from "./configuration";
import { planRabbitMq } from "./plan";

/** How clients reach RabbitMQ. */
export interface RabbitmqConnection extends Connection {
  /** Port of the management interface, which Wire's services ask too; with TLS where AMQP is. */
  readonly managementPort: number;
  readonly username: string;
  readonly password: pulumi.Output<string>;
  readonly virtualHost: string;
}

/**
 * RabbitMQ on the data nodes: one cluster. Brokers that cannot see most of the others stop serving, and what has been
 * confirmed to a publisher has been written by most replicas of its queue.
 */
export class Rabbitmq extends pulumi.ComponentResource {
  readonly connection: RabbitmqConnection;

  constructor(name: string, args: DataServiceArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:data-services:Rabbitmq", name, {}, options);
    const child = { parent: this };
    const plan = planRabbitMq(args.artifact);
    const { nodes, clients, secrets, tls } = args;
    const { username, password, erlangCookie } = secrets.rabbitmq;
    const staying = stayingOf(nodes);
    const [founder] = staying;

    const definitions = password.apply((known) => renderDefinitions({ name: username, password: known }));
    const cluster = { nodes, clients, plan, tls, user: username };
    const specification = (node: DataNode) => {
      const identity = tls
        ? secrets.serverIdentity(`${name}-${node.name}`, {
            commonName: node.name,
            // The second is what Wire's services call it.
            dnsNames: [node.name, "rabbitmq-external"],
            addresses: [node.address],
          })
        : undefined;
      return {
        settings: { ...nodeSettings(node, cluster), certificate: identity?.certificate ?? "" },
        secrets: { password, cookie: erlangCookie, definitions, privateKey: identity?.privateKey ?? "" },
      };
    };
    // Nodes without data ask the others whether there is a cluster, so the programs have to be on all of them first.
    const installed = nodes.map((node) => installOn(node, name, plan.installation, args.assetHost, child));
    const after = installed.flatMap((target) => target.after ?? []);
    const ready = rollOutByProgram(
      name,
      {
        program: plan.program,
        service: "rabbitmq",
        turns: leaversLast(nodes).map((node) => ({
          target: { ...node.target, after },
          node: node.name,
          specification: specification(node),
        })),
        ready: {
          target: founder.target,
          specification: {
            // What concerns the whole cluster: a change of it has to be waited for.
            settings: { version: plan.version, members: staying.map((node) => node.name) },
            secrets: { definitions },
          },
        },
      },
      child,
    );
    this.connection = {
      addresses: ready.id.apply(() => staying.map(({ address }) => address)),
      port: tls ? ports.amqpTls : ports.amqp,
      managementPort: tls ? ports.managementTls : ports.management,
      username,
      password,
      virtualHost: "/",
      authority: tls ? secrets.authority.certificate : undefined,
    };
    this.registerOutputs({ addresses: this.connection.addresses });
  }
}
