import type { Configuration } from "../config/schema";
import type { Problem } from "./problem";
import type { RecordedSettings } from "./recorded";

/** Settings that what is there was made with and cannot be given another way, with what stays as it was. */
const fixed = {
  "network.cidr": "the network would be made anew, and every machine would lose its address in it",
  "network.dhcpRange": "the network would be made anew, and running machines would lose their way to it",
  "kubernetes.podCidr": "every node keeps the addresses of pods that it was given",
  "kubernetes.serviceCidr": "services, and the certificates of the API servers, keep their addresses",
  "kubernetes.encryptSecrets": "no API server could read any more what is encrypted in etcd",
  artifact: "the data services and Kubernetes would be let go with it",
  "wire.federationDomain":
    "users, conversations and clients keep the domain that they were made with. Where `domain` changes, give this key the former one",
  "ssh.user": "machines that exist have the former user alone",
} as const;

/** Keys that no edit may change once the stack has made what they are for. */
export const fixedKeys = Object.keys(fixed) as (keyof typeof fixed)[];

/** Finds edits of what cannot change in place. @param recorded - As the last run has left it. */
export function findFixed(
  config: Pick<Configuration, "network" | "kubernetes" | "ssh" | "artifact" | "wire" | "domain">,
  recorded: RecordedSettings,
): Problem[] {
  const { network, kubernetes, ssh, artifact, wire, domain } = config;
  const now: Readonly<Record<keyof typeof fixed, string>> = {
    "network.cidr": network.cidr,
    "network.dhcpRange": `${network.dhcpRange.start} to ${network.dhcpRange.end}`,
    "kubernetes.podCidr": kubernetes.podCidr,
    "kubernetes.serviceCidr": kubernetes.serviceCidr,
    "kubernetes.encryptSecrets": `${kubernetes.encryptSecrets}`,
    artifact: artifact ? "given" : "none",
    "wire.federationDomain": wire.federationDomain ?? domain,
    "ssh.user": ssh.user,
  };
  return fixedKeys.flatMap((key) => {
    const before = recorded[key];
    if (before === undefined || before === now[key]) return [];
    return [
      {
        key,
        message: `cannot change from ${before} to ${now[key]} in place: ${fixed[key]}. Set it back; to have another one, destroy the stack and make it anew, or make a second one beside it`,
      },
    ];
  });
}
