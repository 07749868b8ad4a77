import { hostNames } from "../../config/names";
import { replicas, sender, type WireContext } from "../context";
import type { Values } from "../values";
import { brig } from "./brig";
import { connections } from "./databases";

/** Wire's backend: an umbrella over one chart for each of its services. */
export function wireServer(context: WireContext): Values {
  const { domain, federationDomain, features, federation, services, secrets } = context;
  const { https, ssl, assets, account, teams } = hostNames(domain);
  const { cassandra, elasticsearch, postgresql, rabbitmq, administration, replicationFactor } =
    connections(context);
  const replicaCount = replicas(context);
  const enableFederation = federation !== undefined;
  const broker = { username: services.rabbitmq.username, password: services.rabbitmq.password };
  const pgPassword = services.postgresql.password;
  return {
    tags: { federation: enableFederation },
    "cassandra-migrations": { cassandra: { ...cassandra, replicationFactor } },
    "elasticsearch-index": {
      elasticsearch,
      cassandra,
      postgresql,
      // The umbrella has a template of the same name as this chart's, which looks for the word here.
      ...(services.cassandra.authority && { tlsCaSecretRef: true }),
    },
    brig: brig(context),
    cannon: { replicaCount, config: { cassandra, rabbitmq }, secrets: { rabbitmq: broker } },
    cargohold: {
      replicaCount,
      config: {
        aws: { s3Bucket: services.minio.bucket, s3DownloadEndpoint: `https://${assets}` },
        enableFederation,
        settings: { federationDomain },
      },
      secrets: {
        awsKeyId: services.minio.accessKey,
        awsSecretKey: services.minio.secretKey,
        rabbitmq: broker,
      },
    },
    galley: {
      replicaCount,
      config: {
        cassandra,
        rabbitmq,
        postgresql,
        enableFederation,
        settings: {
          conversationCodeURI: `https://${account}/conversation-join/`,
          federationDomain,
          featureFlags: {
            sso: features.sso ? "enabled-by-default" : "disabled-by-default",
            legalhold: features.legalhold ? "disabled-by-default" : "disabled-permanently",
            mls: { defaults: { status: features.mls ? "enabled" : "disabled" } },
          },
        },
      },
      secrets: { pgPassword, rabbitmq: broker, mlsPrivateKeys: secrets.mls, ...secrets.fakeAws },
    },
    gundeck: {
      replicaCount,
      // Where clients are connected: in Redis up to 5.35, in PostgreSQL later.
      config: { cassandra, rabbitmq, postgresql },
      secrets: { pgPassword, rabbitmq: broker, ...secrets.fakeAws },
    },
    nginz: {
      replicaCount,
      nginx_conf: {
        external_env_domain: domain,
        deeplink: {
          endpoints: {
            backendURL: `https://${https}`,
            backendWSURL: `https://${ssl}`,
            teamsURL: `https://${teams}`,
            accountsURL: `https://${account}`,
            websiteURL: `https://${hostNames(domain).webapp}`,
          },
          title: domain,
        },
      },
      secrets: { zAuth: { publicKeys: secrets.zauth.publicKeys }, basicAuth: secrets.nginz.basicAuth },
    },
    spar: {
      replicaCount,
      config: {
        cassandra,
        appUri: `https://${https}`,
        ssoUri: `https://${https}/sso`,
        contacts: [{ type: "ContactSupport", company: domain, email: `email:${sender(context)}` }],
      },
    },
    ...(federation && {
      federator: { replicaCount, remoteCAContents: federation.authorities },
    }),
    "background-worker": {
      config: {
        federationDomain,
        rabbitmq: { ...rabbitmq, ...administration },
        cassandra,
        cassandraGalley: cassandra,
        cassandraBrig: cassandra,
        postgresql,
        enableFederation,
      },
      secrets: { pgPassword, rabbitmq: broker },
    },
  };
}
