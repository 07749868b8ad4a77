/** What a node does for its service by itself, now and then. */
export interface Care {
  /** Its name in our folders; node.sh holds `/run/wiab/SERVICE.lock` while it is at work. */
  readonly service: string;
  /** Its systemd unit. */
  readonly unit: string;
  readonly description: string;
  readonly command: string;
  /** A calendar event of systemd's. */
  readonly when: string;
  /** Seconds by which systemd may put it off at random, so that not all nodes do it at once. */
  readonly spread: number;
  /** Minutes after which it is ended. */
  readonly limit: number;
}

/**
 * Its systemd units. It leaves a node alone that has its turn, and a turn of the node waits for it, half an hour at most.
 */
export const renderCare = ({ service, unit, description, command, when, spread, limit }: Care) => ({
  CARE: `\
[Unit]
Description=${description}
After=${unit}.service

[Service]
Type=oneshot
ExecStartPre=/bin/mkdir -p /run/wiab
ExecStart=/usr/bin/flock --nonblock --conflict-exit-code 0 /run/wiab/${service}.lock ${command}
TimeoutStartSec=${limit}min
Nice=10
`,
  CARE_TIMER: `\
[Unit]
Description=${description}

[Timer]
OnCalendar=${when}
AccuracySec=10s
RandomizedDelaySec=${spread}

[Install]
WantedBy=timers.target
`,
});
