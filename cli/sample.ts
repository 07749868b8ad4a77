import * as pulumi from "@pulumi/pulumi";
import { chooseReleases, type ReleaseName } from "../components/config/releases";
import type { WireContext } from "../components/wire/context";
import type { ChartFacts } from "../components/wire/facts";
import {
  type KnownContext,
  placeholderCertificate,
  placeholderKey,
  withPlaceholders,
} from "../components/wire/placeholders";
import { runValues } from "../components/wire/releases/index";
import { mergeValues, staticValues, type Values, withoutPaths } from "../components/wire/values";

/** A deployment that the charts are tried with. */
export interface Sample {
  readonly name: string;
  readonly context: WireContext;
}

const known: KnownContext = {
  domain: "wire.test",
  federationDomain: "wire.test",
  publicAddress: "203.0.113.10",
  callingNode: { name: "kubenode3", address: "192.168.122.23" },
  kubenodes: 3,
  datanodes: 3,
  podNetwork: "10.233.64.0/18",
  mail: {},
  features: { registration: true, teamSettings: true, sso: false, legalhold: false, mls: false },
  federation: undefined,
  tls: { kind: "own", certificate: placeholderCertificate, privateKey: placeholderKey },
};

/** Calling on, one's own certificate, and nothing that is off by default. */
export const plain: WireContext = withPlaceholders(known, false);

/** Between them they set every value that the program can set. */
export const samples: readonly Sample[] = [
  { name: "own certificate", context: plain },
  {
    name: "Let's Encrypt, with everything",
    context: withPlaceholders(
      {
        ...known,
        mail: { sender: "mail@wire.test", relay: { host: "mail.wire.test", port: 587, username: "wire" } },
        features: { registration: false, teamSettings: true, sso: true, legalhold: true, mls: true },
        federation: {
          domains: [{ domain: "other.test", search: "full_search" }],
          authorities: placeholderCertificate,
        },
        tls: { kind: "acme", email: "admin@wire.test", production: false },
      },
      true,
    ),
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

/**
 * All values of a release in a sample, without anything that would have to be waited for.
 * @param facts - What is known of the charts. @default they take every value
 */
export const valuesOf = (
  release: ReleaseName,
  { context }: Sample,
  facts?: Pick<ChartFacts, "unknown">,
): Promise<Values> =>
  new Promise((resolve) =>
    pulumi
      .output(
        withoutPaths(
          mergeValues(staticValues(release), runValues[release]?.(context) ?? {}),
          facts?.unknown[release] ?? [],
        ),
      )
      .apply((values) => {
        // Gone as in the YAML that Helm reads: what is undefined is not there.
        resolve(JSON.parse(JSON.stringify(values)));
      }),
  );
