# The machine's own part of the table of ports: who is in no range reaches nothing but clients' port.
: "${RULESET:?nft rules}"
: "${SSH_PORT:?}"
: "${MAY_LOG_IN:?networks that may use SSH, one a line}"
: "${TABLE:?name of the nft table}"

directory=/etc/wiab/wickr
unit=wiab-wickr-ports.service

apply() {
  local shut_out
  install_packages nftables
  shut_out=$(peers_outside) || fail "$shut_out"
  [ -z "$shut_out" ] ||
    fail "whoever works on $(hostname) now would be shut out: $shut_out; add the network to wickr.adminRanges"
  holds "$directory/ports.nft" "$RULESET" || put "$directory/ports.nft" "$RULESET"
  nft --check --file "$directory/ports.nft"
  unit_text="[Unit]
Description=ports of Wickr
DefaultDependencies=no
Before=network-pre.target docker.service
Wants=network-pre.target
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$(command -v nft) --file $directory/ports.nft

[Install]
WantedBy=multi-user.target
"
  holds "/etc/systemd/system/$unit" "$unit_text" || {
    put "/etc/systemd/system/$unit" "$unit_text"
    systemctl daemon-reload
  }
  systemctl --quiet enable "$unit"
  nft --file "$directory/ports.nft"
  say "ports: $(nft list table inet "$TABLE" | grep -c 'dport') rules"
}

# peers_outside: those of the machine's SSH sessions, this one's among them, that the rules would not let in again.
peers_outside() {
  ss --no-header --tcp --numeric state established "sport = :$SSH_PORT" | awk '{ print $NF }' |
    python3 -c '
import ipaddress, sys
networks = [ipaddress.ip_network(line) for line in sys.argv[1].split()]
for line in sys.stdin:
    peer = ipaddress.ip_address(line.rsplit(":", 1)[0].strip("[]"))
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if not peer.is_loopback and not any(peer in network for network in networks):
        print(peer)
' "$MAY_LOG_IN" | sort --unique | paste --serial --delimiters ' '
}

remove() {
  systemctl --quiet disable "$unit" 2>/dev/null || true
  rm -f "/etc/systemd/system/$unit" "$directory/ports.nft"
  systemctl daemon-reload
  nft "add table inet $TABLE; delete table inet $TABLE"
}
