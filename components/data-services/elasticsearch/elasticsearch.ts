import * as pulumi from "@pulumi/pulumi";
import { runScript } from "../../remote/script";
import { install } from "../installation/installation";
import type { Connection, DataServiceArgs } from "../node";
import { loadServiceScript, rollThrough } from "../rolling";
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
    const members = nodes.filter(({ retiring }) => !retiring);
    const [first] = members;
    if (!first) throw new Error("Elasticsearch needs a node that does not retire");
    const parameters = (node: (typeof nodes)[number]) =>
      nodeParameters(node, { plan, nodes, clients, heapMiB });
    const installed = new Map(
      nodes.map((node) => [
        node.name,
        install(
          `${name}-programs-${node.name}`,
          plan.installation,
          { target: node.target, assetHost: args.assetHost },
          child,
        ),
      ]),
    );
    const runs = rollThrough(
      name,
      loadServiceScript(__dirname, "node.sh"),
      // Who leaves has its turn last: new nodes have to be there to take the data.
      [...members, ...nodes.filter(({ retiring }) => retiring)].map((node) => ({
        target: installed.get(node.name) ?? node.target,
        node: node.name,
        parameters: parameters(node),
      })),
      child,
    );
    const ready = runScript(
      `${name}-ready`,
      {
        target: { ...first.target, after: runs },
        script: loadServiceScript(__dirname, "ready.sh"),
        // What concerns all of them: a change of it may have to be waited for.
        parameters: parameters(first),
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
