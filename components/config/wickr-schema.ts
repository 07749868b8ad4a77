import { z } from "zod";
import { ipv4, ipv4Network as range } from "./forms";
import { serverName } from "./network-words";

const nameOrAddress = "must be a name in lower case or an IPv4 address alone, without a port";

/**
 * Rules of the guide, and of its installer's own check, that an operator may waive one by one. What the volume and the
 * installer cannot do without is no rule and cannot be waived.
 */
export const waivableRules = [
  "system",
  "processors",
  "memory",
  "rootSpace",
  "diskSpace",
  "accessControl",
  "dockerVersion",
] as const;

const disk = z.strictObject({
  serial: z
    .string()
    .regex(
      /^[A-Za-z0-9_.-]{1,20}$/,
      "must be a serial number: at most 20 letters, digits, dots, hyphens and underscores",
    )
    .describe(
      "Serial number of the disk that is encrypted (`lsblk --nodeps --output NAME,SERIAL`). It is the one thing that names a disk for good: `/dev/sdb` is another one after a boot.",
    ),
  sizeGB: z
    .number()
    .positive()
    .max(17_592)
    .default(120)
    .describe("Size in GB (10⁹ bytes) of the disk that a machine of the stack's own gets; thin."),
  guideKey: z
    .strictObject({
      password: z
        .string()
        .min(1)
        .meta({ secret: true })
        .describe("Secret: `pulumi config set --secret --path 'wickr.disk.guideKey.password'`."),
      salt: z
        .string()
        .min(1)
        .meta({ secret: true })
        .describe(
          "The salt word, 30 bytes at most. Secret: `pulumi config set --secret --path 'wickr.disk.guideKey.salt'`.",
        ),
    })
    .optional()
    .describe(
      "Derives the disk's key from a password and a salt word exactly as the guide's script does (PBKDF2 with SHA-256, 1 000 000 rounds, 16 bytes), for a disk that it has encrypted. Without it the stack makes a random key of 32 bytes.",
    ),
  unlock: z
    .enum(["keyFile", "typed"])
    .default("keyFile")
    .describe(
      "How a boot opens the disk. `keyFile`: by a file that root alone can read, on the system's disk, which is in clear. `typed`: somebody types the key (output `wickr.diskKey`) on the console; nothing of it is on the machine.",
    ),
});

/** Wickr Enterprise, NIAP version, on a machine of its own. */
export const wickr = z.strictObject({
  hostname: z
    .string()
    .regex(serverName, nameOrAddress)
    .regex(/^[^A-Z]*$/, nameOrAddress)
    .describe("Name or IPv4 address under which clients reach the server; its certificate has to be for it."),
  publicAddress: ipv4
    .optional()
    .describe(
      "The host's address whose ports go to the machine, for one that the stack makes. Beside Wire it is a second address, which the host has already. Default without Wire: `firewall.publicAddress`.",
    ),
  adminRanges: z
    .array(range)
    .min(1)
    .describe("Networks that reach SSH (22) and the installer's pages (8800): the guide's admin networks."),
  internalRanges: z
    .array(range)
    .default([])
    .describe("Networks that reach Replicated's services (9870 to 9881): the guide's internal network."),
  disk: disk.describe("The second disk of the machine, which holds everything of Wickr's, encrypted."),
  waive: z
    .array(z.enum(waivableRules))
    .default([])
    .describe("Rules of the preflight that this machine need not keep (docs/wickr.md); never all of them."),
});

/** The configuration of Wickr. */
export type WickrConfiguration = z.output<typeof wickr>;
export type WaivableRule = (typeof waivableRules)[number];
