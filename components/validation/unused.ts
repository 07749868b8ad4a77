import type { ReleaseName } from "../config/releases";
import type { Configuration } from "../config/schema";
import { plannedReleases } from "./wire-rules";

/** Values as the operator gave them, by key at the top. */
type Given = Readonly<Record<string, unknown>>;

/** Sections that only what comes out of an artifact reads, and those that only Wire's releases read. */
const ofArtifact = ["dataServices", "backup", "kubernetes", "mesh", "wasimoff"];
const ofWire = ["tls", "features", "mail", "wire"];

/** Everything that was given and is not used in this stack, each with the reason. */
export function findUnused(given: Given, config: Configuration): string[] {
  const { artifact, wire, calling, mail, firewall, host, network, ssh, machines, kubernetes } = config;
  const below = (...keys: readonly string[]): boolean =>
    keys.reduce<unknown>((at, key) => (at as Given | undefined)?.[key], given) !== undefined;
  const has = (key: string) => given[key] !== undefined;
  const unused = (keys: readonly string[], reason: string) =>
    keys.filter(has).map((key) => `${key}: is not used: ${reason}`);

  const lines = artifact
    ? wire.charts
      ? []
      : unused(
          ofWire.filter((key) => key !== "features"),
          "without wire.charts nothing of Wire is installed",
        )
    : [
        ...unused(ofArtifact, "without an artifact nothing is put on the machines"),
        ...unused(ofWire, "without an artifact nothing of Wire is installed"),
      ];
  if (artifact && wire.charts) {
    const planned = new Set<string>(plannedReleases(config));
    for (const release of Object.keys(wire.values) as ReleaseName[])
      if (!planned.has(release))
        lines.push(`wire.values.${release}: is not used: that release is not installed here`);
  }
  if (!calling.enabled)
    for (const key of ["node", "firstMediaPort"])
      if (below("calling", key)) lines.push(`calling.${key}: is not used: calling.enabled is false`);
  if (kubernetes.volumes.perNode === 0 && below("kubernetes", "volumes", "sizeGB"))
    lines.push("kubernetes.volumes.sizeGB: is not used: there are no volumes (perNode is 0)");
  machines.forEach(({ name, existing, disk }, index) => {
    if (existing && disk !== "keep")
      lines.push(
        `machines[${index}].disk: is not used: ${name} exists already, and its disk is not the stack's`,
      );
  });
  const { relay } = mail;
  if (relay && (relay.username === undefined) !== (relay.password === undefined))
    lines.push(
      `mail.relay.${relay.username === undefined ? "password" : "username"}: is not used without the other of username and password`,
    );
  if (host.hypervisor === "none") {
    for (const path of [
      "image",
      "host.virtualization",
      "host.capacity",
      "host.poolPath",
      "network.dhcpRange",
    ])
      if (below(...path.split(".")))
        lines.push(`${path}: is not used: no machine is made (host.hypervisor is none)`);
  } else if (network.timeServer !== undefined)
    lines.push("network.timeServer: is not used: the machines ask the host for the time");
  if (machines.every(({ existing }) => existing)) {
    if (ssh.authorizedKeys.length > 0)
      lines.push("ssh.authorizedKeys: is not used: every machine exists already, and is used as it is");
  }
  if (firewall.privateDeployment && wire.charts && artifact) lines.push(...mailWarnings(config));
  return lines;
}

/** Mail from machines that have no way out; an address outside is refused (`privateMailRules`). */
function mailWarnings({ mail }: Configuration): string[] {
  const { relay } = mail;
  const way = "firewall.privateDeployment takes the machines' way out";
  if (!relay) return [`mail.relay: is missing, and ${way}: no mail leaves, activation codes neither`];
  return /^[\d.]+$/.test(relay.host)
    ? []
    : [`mail.relay.host: ${relay.host} has to be the host or a machine of the stack: ${way}`];
}
