import { isIPv4 } from "node:net";
import { contains, overlap, prefixOf } from "../config/addresses";
import { networkProblems, outsiders, ownNetworks } from "./address-rules";
import type { Problem, Sections } from "./problem";

const key = "mesh.ipv4Network";

/** The network of other sites' names: all of its addresses are the gateway's, so that nobody else may have one. */
export function meshNetworkRules({
  mesh,
  ...config
}: Sections<
  "mesh" | "network" | "kubernetes" | "machines" | "firewall" | "host" | "mail" | "backup"
>): Problem[] {
  if (!mesh) return [];
  const cidr = mesh.ipv4Network;
  const addresses = [
    ...config.machines.map(({ address }, index) => ({ key: `machines[${index}].address`, address })),
    ...outsiders(config),
    { key: "mesh.endpoint", address: mesh.endpoint },
    ...mesh.peers.map(({ endpoint }, index) => ({ key: `mesh.peers[${index}].endpoint`, address: endpoint })),
  ];
  const taken = [
    ...ownNetworks(config)
      .filter(([, other]) => overlap(cidr, other))
      .map(([whose, other]) => `${other} (${whose})`),
    ...addresses.flatMap(({ key: whose, address }) =>
      address !== undefined && isIPv4(address) && contains(cidr, address) ? [`${address} (${whose})`] : [],
    ),
  ];
  return [
    ...networkProblems([key, cidr]),
    ...(prefixOf(cidr) < 8 || prefixOf(cidr) > 28
      ? [
          {
            key,
            message: `${cidr} must have a prefix from /8 to /28: each name of another site takes an address`,
          },
        ]
      : []),
    // The machines lie in their network: the first says enough.
    ...taken.slice(0, 1).map((what) => ({
      key,
      message: `${cidr} has addresses of ${what} in it; choose another network`,
    })),
  ];
}
