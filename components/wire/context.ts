import type * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../config/schema";
import type { DataServices as DataServicesRoom } from "../data-services/data-services";
import type { Secrets } from "../secrets/secrets";

/** How the releases reach a service outside Kubernetes. */
export interface Endpoint {
  /** Addresses of its nodes, known once it is healthy. */
  readonly addresses: pulumi.Input<readonly string[]>;
  /** Certificate of the authority that has signed its servers', in PEM; undefined where there is no TLS. */
  readonly authority?: pulumi.Input<string>;
}

/** The data services as Wire sees them. */
export interface DataServices {
  readonly cassandra: Endpoint;
  readonly elasticsearch: Endpoint;
  readonly minio: Endpoint & {
    readonly accessKey: pulumi.Input<string>;
    readonly secretKey: pulumi.Input<string>;
    readonly bucket: string;
  };
  /** The founding primary is the first of its addresses. */
  readonly postgresql: Endpoint & {
    readonly user: string;
    readonly database: string;
    readonly password: pulumi.Input<string>;
  };
  readonly rabbitmq: Endpoint & { readonly username: string; readonly password: pulumi.Input<string> };
}

/** The data services as they say themselves how they are reached. */
export const wireServices = ({
  minio,
  postgresql,
  ...others
}: DataServicesRoom["connections"]): DataServices => ({
  ...others,
  minio: { ...minio, ...minio.cargohold, bucket: minio.buckets.assets },
  postgresql: { ...postgresql, user: postgresql.username },
});

/** The certificate of the public host names. */
export type Tls =
  | {
      readonly kind: "own";
      /** Chain in PEM, the leaf first. */
      readonly certificate: string;
      readonly privateKey: pulumi.Input<string>;
    }
  | { readonly kind: "acme"; readonly email: string; readonly production: boolean };

/** Other backends that this one talks to. */
export interface Federation {
  readonly domains: readonly { readonly domain: string; readonly search: string }[];
  /** Certificates of the authorities of their certificates, in PEM. */
  readonly authorities: string;
}

/** Everything that a value of a chart may follow from. */
export interface WireContext {
  readonly domain: string;
  /** Domain that users and conversations belong to. */
  readonly federationDomain: string;
  /** The host's address that clients use. */
  readonly publicAddress: string;
  /** The machine that carries calling; undefined where calling is off. */
  readonly callingNode: { readonly name: string; readonly address: string } | undefined;
  /** Numbers of machines, from which those of replicas follow. */
  readonly kubenodes: number;
  readonly datanodes: number;
  /** Network of the pods in CIDR notation. */
  readonly podNetwork: string;
  readonly mail: Configuration["mail"];
  readonly features: Omit<Configuration["features"], "federation">;
  readonly federation: Federation | undefined;
  readonly tls: Tls;
  readonly services: DataServices;
  readonly secrets: Pick<
    Secrets,
    "turn" | "zauth" | "mls" | "postgresql" | "nginz" | "smtp" | "fakeAws" | "teamSettings"
  >;
}

/** How many pods a service of Wire's has: as many as upstream gives it, where there are machines to put them on. */
export const replicas = ({ kubenodes }: Pick<WireContext, "kubenodes">): number => Math.min(3, kubenodes);

/** The name under which cert-manager keeps the account at Let's Encrypt; another service is another account. */
export const issuerName = (production: boolean): string =>
  production ? "letsencrypt-http01" : "letsencrypt-http01-staging";

/** The address that Wire's mail comes from. */
export const sender = ({ mail, domain }: Pick<WireContext, "mail" | "domain">): string =>
  mail.sender ?? `wire@${domain}`;
