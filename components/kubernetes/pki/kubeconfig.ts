import { stringify } from "yaml";

/** What a client shows and trusts, in PEM. */
export interface Credentials {
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** A kubeconfig for the API at `host:port`. */
export function renderKubeconfig(
  server: string,
  { authority, certificate, privateKey }: Credentials,
  cluster: string,
): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const user = `${cluster}-admin`;
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: cluster,
          cluster: { server: `https://${server}`, "certificate-authority-data": base64(authority) },
        },
      ],
      users: [
        {
          name: user,
          user: { "client-certificate-data": base64(certificate), "client-key-data": base64(privateKey) },
        },
      ],
      contexts: [{ name: cluster, context: { cluster, user } }],
      "current-context": cluster,
    },
    { lineWidth: 0 },
  );
}
