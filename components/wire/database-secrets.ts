import * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { WireContext } from "./context";

/**
 * The passwords of PostgreSQL where Wire's own deployment keeps them: charts of postgresql-external since 0.0.44 read that of
 * repmgr there, and so do people who look for one of them. In the namespace of the releases, `default`.
 */
export function databaseSecrets(
  name: string,
  { services: { postgresql }, secrets }: Pick<WireContext, "services" | "secrets">,
  options: pulumi.CustomResourceOptions,
): kubernetes.core.v1.Secret[] {
  const secret = (suffix: string, secretName: string, stringData: pulumi.Inputs) =>
    new kubernetes.core.v1.Secret(
      `${name}-${suffix}`,
      { metadata: { name: secretName, namespace: "default" }, stringData },
      options,
    );
  return [
    secret("postgresql-repmgr", "repmgr-postgresql-secret", {
      ...{ username: "repmgr", database: "repmgr" },
      password: secrets.postgresql.repmgr,
    }),
    secret("postgresql-wire-server", "wire-postgresql-external-secret", {
      ...{ username: postgresql.user, database: postgresql.database },
      password: postgresql.password,
    }),
  ];
}
