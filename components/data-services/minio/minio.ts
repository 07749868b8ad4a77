import * as pulumi from "@pulumi/pulumi";
import { runScript } from "../../remote/script";
import type { AccessKey } from "../../secrets/secrets";
import { install } from "../installation/installation";
import type { Connection, DataServiceArgs } from "../node";
import { loadServiceScript, rollThrough } from "../rolling";
import { assetsBucket, buckets, nodeParameters, port } from "./configuration";
import { planMinio } from "./plan";

/** What clients of MinIO need to know. */
export interface MinioConnection extends Connection {
  /** The user as which cargohold stores assets. */
  readonly cargohold: AccessKey;
  readonly buckets: { readonly assets: string; readonly public: string };
}

/**
 * MinIO on the data nodes: two drives on each, one erasure set over all of them, so that one node may fail. A set is
 * made once: nodes that are added later have no drives of it, and none of those that it was founded on can retire.
 */
export class Minio extends pulumi.ComponentResource {
  readonly connection: MinioConnection;

  constructor(name: string, args: DataServiceArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:data-services:Minio", name, {}, options);
    const child = { parent: this };
    const plan = planMinio(args.artifact);
    const { nodes, clients, secrets } = args;
    const [first] = nodes.filter(({ retiring }) => !retiring);
    if (!first) throw new Error("MinIO needs a node that does not retire");
    const parameters = new Map(
      nodes.map((node) => {
        const identity = args.tls
          ? {
              ...secrets.serverIdentity(`minio-${node.name}`, {
                commonName: node.name,
                dnsNames: [node.name, "minio-external"],
                addresses: [node.address],
              }),
              authority: secrets.authority.certificate,
            }
          : undefined;
        const known = pulumi.all([secrets.minio, identity]);
        return [
          node.name,
          known.apply(([{ root, cargohold }, identity]) =>
            nodeParameters(node, { plan, nodes, clients, root, cargohold, identity }),
          ),
        ];
      }),
    );
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
      nodes.map((node) => ({
        target: installed.get(node.name) ?? node.target,
        node: node.name,
        parameters: parameters.get(node.name) ?? {},
      })),
      child,
    );
    const ready = runScript(
      `${name}-ready`,
      {
        target: { ...first.target, after: runs },
        script: loadServiceScript(__dirname, "ready.sh"),
        // What concerns all of them: a change of it may have to be waited for.
        parameters: parameters.get(first.name) ?? {},
      },
      child,
    );
    this.connection = {
      addresses: ready.stdout.apply((text) => /^addresses: (.*)$/m.exec(text)?.[1]?.split(" ") ?? []),
      port,
      authority: args.tls ? secrets.authority.certificate : undefined,
      cargohold: secrets.minio.cargohold,
      buckets: { assets: assetsBucket, public: buckets.public },
    };
    this.registerOutputs({ addresses: this.connection.addresses });
  }
}
