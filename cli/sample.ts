import * as pulumi from "@pulumi/pulumi";
import { chooseReleases, type ReleaseName } from "../components/config/releases";
import type { WireContext } from "../components/wire/context";
import { runValues } from "../components/wire/releases/index";
import { mergeValues, staticValues, type Values } from "../components/wire/values";

/** A deployment that the charts are tried with. */
export interface Sample {
  readonly name: string;
  readonly context: WireContext;
}

const text = (value: string) => pulumi.output(value);
const pem = (kind: string) => `-----BEGIN ${kind}-----\nAAAA\n-----END ${kind}-----\n`;
const key = text(pem("PRIVATE KEY"));
const authority = pem("CERTIFICATE");
const addresses = ["192.168.122.31", "192.168.122.32", "192.168.122.33"];

/** Calling on, one's own certificate, and nothing that is off by default. */
export const plain: WireContext = {
  domain: "wire.test",
  publicAddress: "203.0.113.10",
  callingNode: { name: "kubenode3", address: "192.168.122.23" },
  kubenodes: 3,
  datanodes: 3,
  podNetwork: "10.233.64.0/18",
  mail: {},
  features: { registration: true, teamSettings: true, sso: false, legalhold: false, mls: false },
  federation: undefined,
  tls: { kind: "own", certificate: authority, privateKey: key },
  services: {
    cassandra: { addresses },
    elasticsearch: { addresses },
    minio: { addresses, accessKey: text("access"), secretKey: text("secret"), bucket: "assets" },
    postgresql: { addresses, user: "wire-server", database: "wire-server", password: text("password") },
    rabbitmq: { addresses, username: "wire-server", password: text("password") },
  },
  secrets: {
    turn: { secret: text("turn") },
    zauth: { privateKeys: text("private"), publicKeys: text("public") },
    mls: {
      removal: {
        ed25519: key,
        ecdsa_secp256r1_sha256: key,
        ecdsa_secp384r1_sha384: key,
        ecdsa_secp521r1_sha512: key,
      },
    },
    postgresql: { wireServer: text("password"), repmgr: text("password") },
    nginz: { username: "wire", password: text("password"), basicAuth: text("wire:hash") },
    smtp: { password: text("password") },
    fakeAws: { awsKeyId: "dummykey", awsSecretKey: "dummysecret" },
    teamSettings: { configJson: "e30K" },
  },
};

/** Between them they set every value that the program can set. */
export const samples: readonly Sample[] = [
  { name: "own certificate", context: plain },
  {
    name: "Let's Encrypt, with everything",
    context: {
      ...plain,
      mail: { sender: "mail@wire.test", relay: { host: "mail.wire.test", port: 587, username: "wire" } },
      features: { registration: false, teamSettings: true, sso: true, legalhold: true, mls: true },
      federation: {
        domains: [{ domain: "other.test", search: "full_search" }],
        authorities: authority,
      },
      tls: { kind: "acme", email: "admin@wire.test", production: false },
      services: {
        ...plain.services,
        cassandra: { addresses, authority },
        elasticsearch: { addresses, authority },
        postgresql: { ...plain.services.postgresql, authority },
        rabbitmq: { ...plain.services.rabbitmq, authority },
      },
    },
  },
];

/**
 * Values that a chart only compares with others, so that any other one is like none: one that it knows.
 */
export const alternatives: Readonly<Record<string, unknown>> = { "nginz.nginx_conf.env": "staging" };

/** The releases that a sample has. */
export const releasesOf = ({ context }: Sample): ReleaseName[] =>
  chooseReleases({
    calling: context.callingNode !== undefined,
    teamSettings: context.features.teamSettings,
    acme: context.tls.kind === "acme",
    mailRelay: context.mail.relay !== undefined,
    smallstep: false,
  });

/** All values of a release in a sample, without anything that would have to be waited for. */
export const valuesOf = (release: ReleaseName, { context }: Sample): Promise<Values> =>
  new Promise((resolve) =>
    pulumi.output(mergeValues(staticValues(release), runValues[release]?.(context) ?? {})).apply((values) => {
      // Gone as in the YAML that Helm reads: what is undefined is not there.
      resolve(JSON.parse(JSON.stringify(values)));
    }),
  );
