import { callingPorts } from "../config/ports";
import { forwardedTcpPorts } from "../host/firewall/ruleset";
import type { Problem, Sections } from "./problem";

/** What the host keeps of its ports is none of what Wire is reached by, and a translated address is not made here. */
export function publicPortRules({ firewall, calling }: Sections<"firewall" | "calling">): Problem[] {
  const { localAddress, publicAddress, publicInterface, hostPorts } = firewall;
  const needed = [
    ...forwardedTcpPorts(calling.enabled).map((port) => `tcp/${port}`),
    ...(calling.enabled ? [`udp/${callingPorts.turn}`] : []),
  ];
  return [
    ...hostPorts.flatMap((entry, index) => {
      const key = `firewall.hostPorts[${index}]`;
      if (Number(entry.split("/")[1]) > 65535) return [{ key, message: "must be at most 65535" }];
      return needed.includes(entry)
        ? [
            {
              key,
              message: `${entry} is one that Wire is reached by (${needed.join(", ")} are): move the host's own service`,
            },
          ]
        : [];
    }),
    ...(localAddress !== undefined && localAddress !== publicAddress && publicInterface !== undefined
      ? [
          {
            key: "firewall.publicInterface",
            message:
              "makes an interface for the public address, which a router has where there is a firewall.localAddress: leave one of the two out",
          },
        ]
      : []),
  ];
}

/** An SSH server would be out of reach on a port that its firewall sends to the machines. */
export function hostPortRules({
  host,
  firewall,
  calling,
}: Sections<"host" | "firewall" | "calling">): Problem[] {
  const forwarded = forwardedTcpPorts(calling.enabled);
  return [
    ["host.ssh.port", host.ssh?.port] as const,
    ["firewall.gateway.ssh.port", firewall.gateway?.ssh?.port] as const,
  ].flatMap(([key, port]) =>
    port !== undefined && forwarded.includes(port)
      ? [
          {
            key,
            message: `${port} is forwarded to the machines (${forwarded.join(", ")} are): let the host's sshd listen on another port, 22 or 2222 for example`,
          },
        ]
      : [],
  );
}
