import { z } from "zod";
import { ipv4 } from "./forms";
import { hostSsh } from "./ssh-schema";

/** Linux refuses longer interface names (IFNAMSIZ, 15 characters and a NUL). */
const interfaceName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_.-]{0,14}$/,
    "must be an interface name: at most 15 lower-case letters, digits, dots, hyphens and underscores, a letter first",
  );

/** What stands between clients and machines. */
export const firewall = z.strictObject({
  publicAddress: ipv4.describe("The host's address that clients use. Ports are forwarded on it alone."),
  rules: z
    .enum(["make", "output"])
    .default("make")
    .describe(
      "`output`: no firewall is made; its rules are the output `firewallRules` (for nft) and `publicPorts` (a table), for whoever runs the router. Only without a hypervisor.",
    ),
  gateway: z
    .strictObject({
      ssh: hostSsh.optional().describe("How the workstation reaches it. Without it the gateway is the host."),
    })
    .optional()
    .describe(
      "The machine on the way between clients and machines, where the firewall is made where there is no hypervisor. The machines' default route has to lead over it.",
    ),
  localAddress: ipv4
    .optional()
    .describe(
      "The host's own address, for a host behind a router that translates the public one to it (1:1 NAT, as clouds have it). Clients, DNS records and the relay of calls keep to `publicAddress`. Default: `publicAddress`, which is the host's own then.",
    ),
  hostPorts: z
    .array(
      z
        .string()
        .regex(
          /^(tcp|udp)\/[1-9][0-9]{0,4}$/,
          "must be a protocol and a port, such as udp/51820 for WireGuard",
        ),
    )
    .default([])
    .describe(
      "Ports of the public address that stay with the host instead of going to the machines, open to everybody, machines too: `udp/51820` for a WireGuard of its own. No call gets one of them: the calling node holds those that it could choose.",
    ),
  publicInterface: interfaceName
    .optional()
    .describe(
      "Makes an interface of this name (a bridge without ports) that carries `publicAddress`, for a host whose uplink is not to be touched. Without it the address must be on the host already.",
    ),
  privateDeployment: z
    .boolean()
    .default(false)
    .describe(
      "`true`: the machines get no way out to the internet (no masquerading), nor an answer of the host's name server but for the deployment's own names. A gateway's name server is left to whoever runs it.",
    ),
  hardenInput: z
    .boolean()
    .optional()
    .describe(
      "Default deny on the host's own input but for SSH, ICMP, loopback, libvirt's bridges and established connections. Default: `true` on the host of the machines, `false` on a gateway, which may serve others.",
    ),
});
