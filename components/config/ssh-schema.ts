import { z } from "zod";
import { path, port, serverAddress } from "./forms";

/** A user who exists already, on a host or on a machine. */
export const account = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/,
    "must be a user name: at most 32 letters, digits, dots, hyphens and underscores, a letter or underscore first",
  );

/** The key of an SSH server, as its `/etc/ssh/ssh_host_ed25519_key.pub` has it. */
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
