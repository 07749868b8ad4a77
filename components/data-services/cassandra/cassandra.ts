import * as pulumi from "@pulumi/pulumi";
import { installOn } from "../../artifact/installation/installation";
import { loadScript, runScript } from "../../machine/script";
import { type Connection, type DataNode, type DataServiceArgs, stayingOf } from "../node";
import { rollOut } from "../rolling";
import { nodeParameters, ports, replicationFactor } from "./configuration";
import { planCassandra } from "./plan";

/** Arguments of {@link Cassandra}. */
export interface CassandraArgs extends DataServiceArgs {
  /** Java heap, in MiB. @default follows from the machine's memory */
  readonly heapMiB?: number;
}

/** How Wire's services reach the ring, which asks for no password. */
export interface CassandraConnection extends Connection {
  /** Copies of each row that keyspaces are to keep: 3, or as many as there are nodes. */
  readonly replicationFactor: number;
}

/** One ring over the data nodes. */
export class Cassandra extends pulumi.ComponentResource {
  readonly connection: CassandraConnection;

  constructor(name: string, args: CassandraArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:data-services:Cassandra", name, {}, options);
    const { nodes, secrets, clients, heapMiB } = args;
    const child = { parent: this };
    const plan = planCassandra(args.artifact);
    const staying = stayingOf(nodes);
    const [first] = staying;

    // A machine that comes in place of this one has no leave: hence without its identity.
    const founder = runScript(
      `${name}-founder`,
      {
        target: { ...first.target, identity: undefined },
        script: loadScript(__dirname, "found.sh"),
        parameters: {},
        updates: true,
      },
      child,
    );
    const keys = (node: DataNode): Readonly<Record<string, pulumi.Input<string>>> => {
      if (!args.tls) return {};
      const identity = secrets.serverIdentity(`${name}-${node.name}`, {
        commonName: node.name,
        dnsNames: [node.name],
        addresses: [node.address],
      });
      return {
        PRIVATE_KEY: identity.privateKey,
        CERTIFICATE: identity.certificate,
        AUTHORITY: secrets.authority.certificate,
      };
    };
    const ready = rollOut(
      name,
      {
        room: __dirname,
        turns: nodes.map((node) => ({
          target: installOn(node, name, plan.installation, args.assetHost, child),
          node: node.name,
          parameters: {
            ...nodeParameters(node, { plan, nodes, clients, heapMiB, tls: args.tls }),
            ...keys(node),
          },
        })),
        ready: {
          target: first.target,
          parameters: { VERSION: plan.version, NODES: staying.map((node) => node.name).join(" ") },
        },
      },
      // Nobody founds a ring before it has leave to.
      { ...child, dependsOn: founder },
    );
    this.connection = {
      addresses: ready.stdout.apply(() => staying.map(({ address }) => address)),
      port: ports.native,
      authority: args.tls ? secrets.authority.certificate : undefined,
      replicationFactor: replicationFactor(nodes),
    };
    this.registerOutputs();
  }
}
