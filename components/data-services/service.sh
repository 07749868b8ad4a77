# Stands between the prelude and the scripts of a data service. Everything of a service that is ours lies in
# /opt/wiab/SERVICE (programs, which anybody may read) and /etc/wiab/SERVICE (settings and secrets, for root and the
# service's own user).

# admit SERVICE PORTS ADDRESSES: lets nobody but the addresses reach the TCP ports, now and after every boot. Both are
# lists with spaces. The machine itself always may.
admit() {
  local rules table=${1//-/_}
  rules="table inet wiab_$table
delete table inet wiab_$table
table inet wiab_$table {
  chain input {
    type filter hook input priority filter; policy accept;
    iifname \"lo\" accept
    tcp dport { ${2// /, } } ip saddr != { ${3// /, } } reject with tcp reset
    meta nfproto ipv6 tcp dport { ${2// /, } } reject with tcp reset
  }
}
"
  local unit="[Unit]
Description=Who may reach $1
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file /etc/wiab/$1/admit.nft

[Install]
WantedBy=sysinit.target
" file=/etc/systemd/system/wiab-admit-$1.service
  holds "$file" "$unit" || put "$file" "$unit"
  made output "nft --stateless list table inet wiab_$table"
  systemctl --quiet is-enabled "wiab-admit-$1.service" 2>/dev/null ||
    systemctl --quiet --no-reload enable "wiab-admit-$1.service"
  holds "/etc/wiab/$1/admit.nft" "$rules" && nft list table inet "wiab_$table" >/dev/null 2>&1 && return
  put "/etc/wiab/$1/admit.nft" "$rules"
  # The unit does it at boots.
  nft --file "/etc/wiab/$1/admit.nft"
}

# keep_timer NAME SERVICE TIMER: has systemd run the unit of that name whenever its timer says, at every boot too.
keep_timer() {
  local folder=/etc/systemd/system
  holds "$folder/$1.service" "$2" || put "$folder/$1.service" "$2"
  holds "$folder/$1.timer" "$3" || put "$folder/$1.timer" "$3"
  systemctl --quiet is-enabled "$1.timer" 2>/dev/null || systemctl --quiet --no-reload enable "$1.timer"
  # Reading all units anew takes a small machine seconds.
  [[ $(systemctl show --property=NeedDaemonReload --value "$1.service" "$1.timer") != *yes* ]] || systemctl daemon-reload
  systemctl start "$1.timer"
}

# drop_timer NAME: ends what keep_timer keeps, if it ever did here.
drop_timer() { [ ! -e "/etc/systemd/system/$1.timer" ] || systemctl --quiet disable --now "$1.timer"; }

# program SERVICE NAME TEXT: an executable /opt/wiab/SERVICE/NAME that keeps no secret.
program() { holds "/opt/wiab/$1/$2" "$3" || put "/opt/wiab/$1/$2" "$3" 0755; }
