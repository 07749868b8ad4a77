import { z } from "zod";

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
