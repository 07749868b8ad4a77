import { isIPv4 } from "node:net";
import type { Plan } from "../../config/plan";
import type { Configuration } from "../../config/schema";

// A name server that hands on every question is a way out: whoever has a domain reads what is asked below it. Where machines
// have no way out, the host's answers for the names that the deployment needs, and for no other.

/**
 * The machines, by name and by address, the deployment's own records, and what the configuration names: a mail relay, and the
 * gateways of a mesh.
 */
export const askableNames = (config: Configuration, plan: Plan): string[] =>
  [
    ...new Set(
      [
        ...plan.machines.map(({ name }) => name),
        ...plan.machines.map(({ address }) => `${address.split(".").reverse().join(".")}.in-addr.arpa`),
        ...plan.dnsRecords.map(({ name }) => name),
        config.mail.relay?.host ?? "",
        ...(config.mesh?.peers ?? []).map(({ endpoint }) => endpoint),
      ]
        .filter((name) => name !== "" && !isIPv4(name))
        .map((name) => name.toLowerCase()),
    ),
  ].sort();

/** Bits that one comparison of nft takes. */
const bits = 128;
/** Where in a UDP packet the name stands that is asked for: after UDP's header of 8 bytes and DNS's of 12 (RFC 1035). */
const start = 160;

/**
 * What nft compares a packet by, to be a question for a name and nothing else; names are compared as they are written, and
 * resolvers write them in lower case.
 */
export function questionFor(name: string): string {
  const labels = name.split(".").map((label) => String.fromCharCode(label.length) + label);
  const wire = Buffer.from(`${labels.join("")}\0`, "latin1");
  const parts: string[] = [];
  for (let at = 0; at < wire.length; at += bits / 8) {
    const part = wire.subarray(at, at + bits / 8);
    parts.push(`@th,${start + at * 8},${part.length * 8} 0x${part.toString("hex")}`);
  }
  // One question a packet: the second one would be looked at by nobody.
  return `meta l4proto udp @th,96,16 1 ${parts.join(" ")}`;
}
