import { readFileSync } from "node:fs";
import { join } from "node:path";

const read = (file: string) => readFileSync(join(__dirname, "programs", file), "utf8");

/** What a control plane runs by itself, or is asked to run. */
export const programs = () => ({
  BACKUP: read("backup.sh"),
  RESTORE: read("restore.sh"),
  RENEW: read("renew.sh"),
});

export const renewalUnit = `\
[Unit]
Description=Renewal of Kubernetes' certificates before they run out

[Service]
Type=oneshot
ExecStart=/opt/wiab/kubernetes/renew
`;

const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;

/** Each node has a day of the week of its own, so that no two of them restart their API servers together. */
export const renderRenewalTimer = (index: number): string => `\
[Unit]
Description=Renewal of Kubernetes' certificates before they run out

[Timer]
OnCalendar=${days[index % days.length]} *-*-* 04:00:00
Persistent=true
RandomizedDelaySec=2h
FixedRandomDelay=true

[Install]
WantedBy=timers.target
`;
