import { z } from "zod";
import { ipv4 } from "./forms";
import { account, hostKey } from "./ssh-schema";

const offHost = z.strictObject({
  address: ipv4.describe(
    "Address of an SSH server that has SFTP. The asset host brings every encrypted backup there, within the hour.",
  ),
  port: z
    .int()
    .min(1)
    .max(65535)
    .default(22)
    .describe("Its TCP port. With `firewall.privateDeployment` the asset host reaches it and nothing else."),
  user: account.describe("Who logs in there, with the stack's key (output `offHostPublicKey`)."),
  directory: z
    .string()
    .regex(
      /^(?!(.*\/)?\.\.(\/|$))[A-Za-z0-9._/-]*[A-Za-z0-9._-]$/,
      "must be a path of letters, digits, dots, hyphens and underscores, without a part .. that leads out of it",
    )
    .default("wiab-backups")
    .describe(
      "Folder there, below the user's own unless it begins with `/`. Nothing in it is ever deleted: old backups are for its owner to delete.",
    ),
  hostKey: hostKey.describe("The server's key, its `/etc/ssh/ssh_host_ed25519_key.pub`."),
});

/** Backups of the data services and of Kubernetes to the asset host. */
export const backup = z.strictObject({
  schedule: z
    .string()
    .min(1)
    .default("*-*-* 02:30:00")
    .describe(
      "When each service is backed up to the asset host: `hourly`, `daily`, `weekly`, `monthly`, or a time with weekdays, days of the month and a zone as systemd.time(7) has them: `02:30`, `Mon..Fri 22:00`, `*-*-01,15 03:00 Europe/Berlin`, `8..17:00`, and `*:0/15` for each quarter of an hour, every 5 minutes at most. Without a zone it is the machine's own.",
    ),
  keep: z
    .int()
    .min(1)
    .max(365)
    .default(7)
    .describe("Backups of each service and node that are kept however old they are: the newest."),
  keepDays: z
    .int()
    .min(1)
    .max(3650)
    .default(7)
    .describe("Days for which no backup is deleted, however many there are."),
  offHost: offHost.optional().describe("A second place for backups, where the host is not. Default: none."),
});

/** When services are backed up, what is kept, and where else. */
export type BackupConfiguration = z.output<typeof backup>;
