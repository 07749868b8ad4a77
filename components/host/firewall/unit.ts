/** Arguments of {@link renderUnit}. */
export interface UnitArgs {
  /** Name of the nft table. */
  readonly name: string;
  /** File with the ruleset, absolute. */
  readonly rulesetFile: string;
  /** Interface to make for the public address. @default none is made */
  readonly publicInterface?: string;
  readonly publicAddress: string;
}

/**
 * The systemd unit that brings the firewall back at boot. It runs before any interface is up, and after
 * the distribution's nftables.service, whose ruleset begins with a flush; when that one is restarted or
 * reloaded later, this one follows. It never takes the rules away: stopping nftables.service has done so.
 */
export function renderUnit(args: UnitArgs): string {
  const load = `nft -f ${args.rulesetFile}`;
  const device = args.publicInterface;
  return [
    "[Unit]",
    `Description=Firewall of the Wire machines in network ${args.name}`,
    "DefaultDependencies=no",
    "After=local-fs.target nftables.service",
    "Wants=network-pre.target",
    "Before=network-pre.target shutdown.target",
    "Conflicts=shutdown.target",
    "PartOf=nftables.service",
    "ReloadPropagatedFrom=nftables.service",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    ...(device
      ? [
          // The minus: it may exist already, and the rules are worth more than the address.
          `ExecStart=-ip link add ${device} type bridge`,
          `ExecStart=-ip link set ${device} up alias "${interfaceAlias(args.name)}"`,
          `ExecStart=-ip address replace ${args.publicAddress}/32 dev ${device}`,
        ]
      : []),
    `ExecStart=${load}`,
    `ExecReload=${load}`,
    "",
    "[Install]",
    "WantedBy=multi-user.target nftables.service",
    "",
  ].join("\n");
}

/** Marks an interface as made by the firewall of that name; firewall.sh removes no other. */
export function interfaceAlias(name: string): string {
  return `wiab firewall ${name}`;
}
