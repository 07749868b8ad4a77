import * as pulumi from "@pulumi/pulumi";
import { hostNames } from "../../config/names";
import { issuerName, type WireContext } from "../context";
import type { Values } from "../values";

/** The server of conference calls, on the calling node's own network. */
export function sftd({ domain, callingNode, tls }: WireContext): Values {
  const { sftd, webapp } = hostNames(domain);
  return {
    host: sftd,
    allowOrigin: `https://${webapp}`,
    nodeSelector: { "kubernetes.io/hostname": callingNode?.name },
    // The chart refuses both at once; what is not the one has to be out of the way.
    tls:
      tls.kind === "own"
        ? { crt: tls.certificate, key: pulumi.secret(tls.privateKey) }
        : { issuerRef: { name: issuerName(tls.production), kind: "ClusterIssuer" } },
  };
}
