import * as pulumi from "@pulumi/pulumi";
import { hostNames } from "../../config/names";
import { issuerName, type WireContext } from "../context";
import type { Values } from "../values";

/** The public host names: which service each leads to, and their certificate. */
export function nginxIngressServices({ domain, features, federation, tls }: WireContext): Values {
  const { https, ssl, webapp, assets, teams, account, federator } = hostNames(domain);
  const acme = tls.kind === "acme" ? tls : undefined;
  const secrets = {
    ...(tls.kind === "own" && {
      tlsWildcardCert: tls.certificate,
      tlsWildcardKey: pulumi.secret(tls.privateKey),
    }),
    ...(federation && { tlsClientCA: federation.authorities }),
  };
  return {
    teamSettings: { enabled: features.teamSettings },
    federator: { enabled: federation !== undefined },
    tls: {
      useCertManager: acme !== undefined,
      // cert-manager gets a new certificate when the issuer is another one, and only then.
      issuer: acme && { name: issuerName(acme.production), kind: "ClusterIssuer" },
    },
    certManager: acme && { inTestMode: !acme.production, certmasterEmail: acme.email },
    config: {
      dns: {
        https,
        ssl,
        webapp,
        fakeS3: assets,
        accountPages: account,
        ...(features.teamSettings && { teamSettings: teams }),
        ...(federation && { federator, certificateDomain: federator }),
      },
    },
    ...(Object.keys(secrets).length > 0 && { secrets }),
  };
}
