import * as pulumi from "@pulumi/pulumi";
import { installOn } from "../../artifact/installation/installation";
import { type Connection, type DataServiceArgs, leaversLast, stayingOf } from "../node";
import { rollOut } from "../rolling";
import { nodeParameters, ports } from "./configuration";
import { planElasticsearch } from "./plan";

/** Arguments of {@link Elasticsearch}. */
export interface ElasticsearchArgs extends DataServiceArgs {
  /** Size of the Java heap, in MiB. @default follows the memory of the machine */
  readonly heapMiB?: number;
}

/**
 * Elasticsearch on the data nodes: one cluster, in which a majority has to see one another. Wire's chart makes the
 * index. The free edition of 6.8 knows neither TLS nor passwords, so clients reach it plainly whatever `tls` says, and
 * a firewall on each node lets in nobody but nodes and clients.
 */
export class Elasticsearch extends pulumi.ComponentResource {
  readonly connection: Connection;

  constructor(name: string, args: ElasticsearchArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:data-services:Elasticsearch", name, {}, options);
    const child = { parent: this };
    const plan = planElasticsearch(args.artifact);
    const { nodes, clients, heapMiB } = args;
    const members = stayingOf(nodes);
    const [first] = members;
    const parameters = (node: (typeof nodes)[number]) =>
      nodeParameters(node, { plan, nodes, clients, heapMiB });
    const ready = rollOut(
      name,
      {
        room: __dirname,
        turns: leaversLast(nodes).map((node) => ({
          target: installOn(node, name, plan.installation, args.assetHost, child),
          node: node.name,
          parameters: parameters(node),
        })),
        // What concerns all of them: a change of it may have to be waited for.
        ready: { target: first.target, parameters: parameters(first) },
      },
      child,
    );
    this.connection = {
      addresses: ready.id.apply(() => members.map(({ address }) => address)),
      port: ports.http,
      authority: undefined,
    };
    this.registerOutputs({ addresses: this.connection.addresses });
  }
}
