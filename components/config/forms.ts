import { z } from "zod";
import { serverName, wrongAddress, wrongNetwork } from "./network-words";

/** Forms of values that more than one section has. */

export const ipv4 = z.ipv4({ error: ({ input }) => wrongAddress(input) });
export const ipv4Network = z.cidrv4({ error: ({ input }) => wrongNetwork(input) });
export const port = z.int().min(1).max(65535);
export const path = z.string().min(1);

/** Where a server is; IPv6 is no goal of this program. */
export const serverAddress = z
  .string()
  .regex(
    serverName,
    "must be a name or an IPv4 address alone, without user, port or brackets; what ends with a number is an address, of four numbers up to 255",
  );
