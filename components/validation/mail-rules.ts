import { isIPv4 } from "node:net";
import { contains, gatewayOf } from "../config/addresses";
import { machineServices, portsOf } from "../host/firewall/host-services";
import { forwardedTcpPorts } from "../host/firewall/ruleset";
import type { Problem, Sections } from "./problem";

/** Mail to a server that the machines cannot reach would stay where it is, without a word. */
export function privateMailRules({
  host: { hypervisor },
  firewall,
  mail,
  network,
  machines,
}: Sections<"host" | "firewall" | "mail" | "network" | "machines">): Problem[] {
  const host = mail.relay?.host;
  if (!firewall.privateDeployment || host === undefined || !isIPv4(host)) return [];
  // The firewall lets the machines ask the host itself for it (relayOnHost in ruleset.ts).
  if ([firewall.publicAddress, firewall.localAddress].includes(host)) return [];
  const near =
    hypervisor === "none"
      ? `in the machines' network (network.cidr, ${network.cidr})`
      : `on the host (${gatewayOf(network.cidr)})`;
  return contains(network.cidr, host) || machines.some(({ address }) => address === host)
    ? []
    : [
        {
          key: "mail.relay.host",
          message: `${host} is outside, and firewall.privateDeployment takes the machines' way out: run a relay ${near} or on a machine, or set privateDeployment to false`,
        },
      ];
}

/** A relay on the host is on a port that the host has, and that is not another service's. */
export function hostRelayRules({
  firewall,
  mail: { relay },
  network,
  host,
  calling,
}: Sections<"firewall" | "mail" | "network" | "host" | "calling">): Problem[] {
  if (relay === undefined) return [];
  const outer = [firewall.publicAddress, firewall.localAddress].includes(relay.host);
  if (!outer && relay.host !== gatewayOf(network.cidr)) return [];
  const forwarded = forwardedTcpPorts(calling.enabled);
  const services: Record<number, string> = {
    [host.ssh?.port ?? 22]: "its SSH server's",
    ...Object.fromEntries(portsOf(machineServices, "tcp").map((port) => [port, "its name server's"])),
    ...Object.fromEntries((outer ? forwarded : []).map((port) => [port, "forwarded to the machines"])),
  };
  const reason = services[relay.port];
  return reason
    ? [
        {
          key: "mail.relay.port",
          message: `${relay.port} of the host (${relay.host}) is ${reason}: let the mail server there listen on another, 587 or 25 for example`,
        },
      ]
    : [];
}
