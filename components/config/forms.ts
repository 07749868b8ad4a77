import { z } from "zod";

export const ipv4 = z.ipv4({ error: "must be an IPv4 address such as 192.168.122.21" });
export const port = z.int().min(1).max(65535);
export const path = z.string().min(1);

/** A user who exists already, on the host or on a machine. */
export const account = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/,
    "must be a user name: at most 32 letters, digits, dots, hyphens and underscores, a letter or underscore first",
  );

/** Where a server is; IPv6 is no goal of this program. */
export const serverAddress = z
  .string()
  .regex(
    /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/,
    "must be a name or an IPv4 address alone, without user, port or brackets",
  );

export const hostName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a host name: at most 63 lower-case letters, digits and hyphens, with a letter first and no hyphen last",
  );

/** Linux refuses longer interface names (IFNAMSIZ, 15 characters and a NUL). */
export const interfaceName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_.-]{0,14}$/,
    "must be an interface name: at most 15 lower-case letters, digits, dots, hyphens and underscores, a letter first",
  );

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 checksum: 64 hexadecimal digits");
