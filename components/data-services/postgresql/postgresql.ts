import * as pulumi from "@pulumi/pulumi";
import { installOn } from "../../artifact/installation/installation";
import { runScript } from "../../machine/script";
import { type Connection, type DataNode, type DataServiceArgs, leaversLast, stayingOf } from "../node";
import { loadServiceScript, rollOut } from "../rolling";
import {
  database,
  nodeParameters,
  ports,
  readyParameters,
  type Settings,
  secretParameters,
} from "./configuration";
import { planPostgresql } from "./plan";

/** Arguments of {@link Postgresql}. */
export interface PostgresqlArgs extends DataServiceArgs {
  /** Connections at a time, those of the nodes themselves included. */
  readonly maxConnections: number;
}

/** How Wire's services reach PostgreSQL. Which of the addresses is the primary's changes with a failover. */
export interface PostgresqlConnection extends Connection {
  readonly database: string;
  readonly username: string;
  readonly password: pulumi.Output<string>;
}

/**
 * PostgreSQL on the data nodes: a primary, founded on the first, and standbys that stream from it. When the primary
 * fails, repmgr promotes a standby that a majority agrees to; a primary that comes back becomes a standby. What is
 * acknowledged is on so many nodes that every majority has it.
 */
export class Postgresql extends pulumi.ComponentResource {
  /** The addresses, the founding node's first. */
  readonly connection: PostgresqlConnection;

  constructor(name: string, args: PostgresqlArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:data-services:Postgresql", name, {}, options);
    const child = { parent: this };
    const plan = planPostgresql(args.artifact);
    const { nodes, clients, maxConnections, tls, secrets } = args;
    const settings: Settings = { plan, nodes, clients, maxConnections, tls };
    const staying = stayingOf(nodes);
    const [first] = staying;
    const programs = (node: DataNode) => {
      const prepared = runScript(
        `${name}-prepare-${node.name}`,
        { target: node.target, script: loadServiceScript(__dirname, "prepare.sh"), parameters: {} },
        child,
      );
      // Before the packages: they look at what it writes once, when they are installed.
      const target = { ...node.target, after: [prepared] };
      return installOn({ name: node.name, target }, name, plan.installation, args.assetHost, child);
    };
    const identity = ({ name: machine, address }: DataNode) =>
      tls
        ? secrets.serverIdentity(`${name}-${machine}`, {
            commonName: machine,
            dnsNames: [machine],
            addresses: [address],
          })
        : { privateKey: "", certificate: "" };
    const ready = rollOut(
      name,
      {
        room: __dirname,
        turns: leaversLast(nodes).map((node) => {
          const { privateKey, certificate } = identity(node);
          const secret = pulumi
            .all([secrets.postgresql.repmgr, secrets.postgresql.wireServer, privateKey, certificate])
            .apply(([repmgr, wireServer, key, signed]) =>
              secretParameters({ repmgr, wireServer, key, certificate: signed }),
            );
          return {
            target: programs(node),
            node: node.name,
            parameters: {
              ...nodeParameters(node, settings),
              PGPASS: secret.PGPASS,
              REPMGR_PASSWORD: secret.REPMGR_PASSWORD,
              TLS_KEY: secret.TLS_KEY,
              TLS_CERTIFICATE: secret.TLS_CERTIFICATE,
            },
          };
        }),
        ready: {
          target: first.target,
          parameters: {
            ...readyParameters(first, settings),
            PASSWORD: secrets.postgresql.wireServer,
            // What concerns all nodes may have to be waited for again.
            CLUSTER: JSON.stringify(nodes.map((node) => nodeParameters(node, settings).SETTINGS)),
          },
        },
      },
      child,
    );
    this.connection = {
      addresses: ready.id.apply(() => staying.map(({ address }) => address)),
      port: ports.database,
      authority: tls ? secrets.authority.certificate : undefined,
      database,
      username: database,
      password: secrets.postgresql.wireServer,
    };
    this.registerOutputs({ addresses: this.connection.addresses });
  }
}
