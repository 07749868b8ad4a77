import * as pulumi from "@pulumi/pulumi";
import type { Secrets } from "../../secrets/secrets";
import { authority, clientCertificate, publicPem } from "./certificates";
import type { Credentials } from "./kubeconfig";

/** What every control plane is given. */
export interface ClusterPki {
  /** The files below kubeadm's folder of certificates, as member.sh reads them. Secret. */
  readonly files: pulumi.Output<string>;
  /** The administrator's. Secret. */
  readonly admin: pulumi.Output<Credentials>;
}

/**
 * The authorities of a cluster. That the stack has them, and not the node that happened to be first, is why any node can
 * be made anew at any time, without tokens.
 */
export function clusterPki({ kubernetes: keys }: Secrets): ClusterPki {
  const made = pulumi.all([keys.authority, keys.etcd, keys.frontProxy, keys.serviceAccounts, keys.admin]);
  const all = made.apply(async ([ca, etcd, frontProxy, serviceAccounts, admin]) => {
    const signer = { subject: { commonName: "kubernetes" }, key: ca };
    const certificate = await authority(signer);
    const files: readonly (readonly [string, string])[] = [
      ["ca.crt", certificate],
      ["ca.key", ca],
      ["etcd/ca.crt", await authority({ subject: { commonName: "etcd-ca" }, key: etcd })],
      ["etcd/ca.key", etcd],
      ["front-proxy-ca.crt", await authority({ subject: { commonName: "front-proxy-ca" }, key: frontProxy })],
      ["front-proxy-ca.key", frontProxy],
      ["sa.key", serviceAccounts],
      ["sa.pub", publicPem(serviceAccounts)],
    ];
    // The group that kubeadm makes administrators.
    const subject = { commonName: "wiab", organization: "kubeadm:cluster-admins" };
    return {
      files: files.map(([name, text]) => `${name}:\n${text}`).join(""),
      admin: {
        authority: certificate,
        certificate: await clientCertificate(subject, admin, signer),
        privateKey: admin,
      },
    };
  });
  return { files: all.files, admin: all.admin };
}
