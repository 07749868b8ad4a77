import * as pulumi from "@pulumi/pulumi";
import type { WireContext } from "./context";

const text = (value: string) => pulumi.output(value);
const pem = (kind: string) => `-----BEGIN ${kind}-----\nAAAA\n-----END ${kind}-----\n`;
const addresses = ["192.0.2.31", "192.0.2.32", "192.0.2.33"];

/** Stands for the certificate of an authority. */
export const placeholderCertificate = pem("CERTIFICATE");

/** Stands for a private key. */
export const placeholderKey = text(pem("PRIVATE KEY"));

/** What is known of Wire before anything is made. */
export type KnownContext = Omit<WireContext, "services" | "secrets">;

/**
 * The context of releases that are rendered and never installed: what only a run brings has a value of the right form.
 * @param tls - Whether the data services are reached by TLS.
 */
export function withPlaceholders(known: KnownContext, tls: boolean): WireContext {
  const authority = tls ? { authority: placeholderCertificate } : {};
  return {
    ...known,
    services: {
      cassandra: { addresses, ...authority },
      elasticsearch: { addresses, ...authority },
      minio: { addresses, accessKey: text("access"), secretKey: text("secret"), bucket: "assets" },
      postgresql: {
        ...{ addresses, user: "wire-server", database: "wire-server", password: text("postgresql-password") },
        ...authority,
      },
      rabbitmq: { addresses, username: "wire-server", password: text("rabbitmq-password"), ...authority },
    },
    secrets: {
      turn: { secret: text("turn") },
      zauth: { privateKeys: text("private"), publicKeys: text("public") },
      mls: {
        removal: {
          ed25519: placeholderKey,
          ecdsa_secp256r1_sha256: placeholderKey,
          ecdsa_secp384r1_sha384: placeholderKey,
          ecdsa_secp521r1_sha512: placeholderKey,
        },
      },
      postgresql: { wireServer: text("postgresql-password"), repmgr: text("repmgr-password") },
      nginz: { username: "wire", password: text("password"), basicAuth: text("wire:hash") },
      smtp: { password: text("smtp-password") },
      fakeAws: { awsKeyId: "dummykey", awsSecretKey: "dummysecret" },
      teamSettings: { configJson: "e30K" },
    },
  };
}
