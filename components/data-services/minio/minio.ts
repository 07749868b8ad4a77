import * as pulumi from "@pulumi/pulumi";
import { installOn } from "../../artifact/installation/installation";
import type { AccessKey } from "../../secrets/secrets";
import { type Connection, type DataServiceArgs, stayingOf } from "../node";
import { rollOut } from "../rolling";
import { assetsBucket, buckets, plainParameters, port, secretParameters } from "./configuration";
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
    const { nodes, clients, secrets, tls } = args;
    const [first] = stayingOf(nodes);
    const parameters = new Map(
      nodes.map((node) => {
        const identity = tls
          ? secrets.serverIdentity(`minio-${node.name}`, {
              commonName: node.name,
              dnsNames: [node.name, "minio-external"],
              addresses: [node.address],
            })
          : { privateKey: "", certificate: "" };
        const secret = pulumi
          .output(secrets.minio)
          .apply((keys) => secretParameters(node, { plan, nodes, tls, ...keys }));
        return [
          node.name,
          {
            ...plainParameters(node, { plan, nodes, clients, tls }),
            ENVIRONMENT: secret.ENVIRONMENT,
            SETTINGS: secret.SETTINGS,
            PRIVATE_KEY: identity.privateKey,
            CERTIFICATE: identity.certificate,
            AUTHORITY: tls ? secrets.authority.certificate : "",
          },
        ];
      }),
    );
    const ready = rollOut(
      name,
      {
        room: __dirname,
        turns: nodes.map((node) => ({
          target: installOn(node, name, plan.installation, args.assetHost, child),
          node: node.name,
          parameters: parameters.get(node.name) ?? {},
        })),
        // What concerns all of them: a change of it may have to be waited for.
        ready: { target: first.target, parameters: parameters.get(first.name) ?? {} },
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
