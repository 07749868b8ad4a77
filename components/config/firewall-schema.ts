import { z } from "zod";
import { account, interfaceName, ipv4, path, port, serverAddress } from "./forms";

export const hostKey = z
  .string()
  .regex(
    /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}( .*)?$/,
    "must be the line of an Ed25519 host key: ssh-ed25519 AAAA…",
  );

/** How the workstation reaches a host that is there already. */
export const hostSsh = z.strictObject({
  address: serverAddress.describe("Name or address under which the workstation reaches the host."),
  user: account.default("root").describe("A user who is root or may use `sudo` without a password."),
  port: port.default(22).describe("TCP port of the host's SSH server."),
  privateKeyFile: path
    .optional()
    .describe("Private key file on the workstation. Without it the keys of the running SSH agent are used."),
  hostKey: hostKey
    .optional()
    .describe(
      "The host's key, `/etc/ssh/ssh_host_ed25519_key.pub` there. Another server in its place is refused; libvirt's connection looks the key up in the workstation's `~/.ssh/known_hosts`. Without it whoever is between can take the host's place.",
    ),
});

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
      "Ports of the public address that stay with the host instead of going to the machines, open to everybody, machines too: `udp/51820` for a WireGuard of its own. A call's media never uses them from outside.",
    ),
  publicInterface: interfaceName
    .optional()
    .describe(
      "Makes an interface of this name (a bridge without ports) that carries `publicAddress`, for a host whose uplink is not to be touched. Without it the address must be on the host already.",
    ),
  privateDeployment: z
    .boolean()
    .default(false)
    .describe("`true`: the machines get no way out to the internet (no masquerading)."),
  hardenInput: z
    .boolean()
    .optional()
    .describe(
      "Default deny on the host's own input but for SSH, ICMP, loopback, libvirt's bridges and established connections. Default: `true` on the host of the machines, `false` on a gateway, which may serve others.",
    ),
});
