# Keeps the ports that this machine's kernel chooses away from those of the media relay: sftd takes the kernel's, coturn
# its own range, and both are on this machine's network.
: "${FIRST:?first port that the kernel may choose}" "${LAST:?last port that the kernel may choose}"
: "${KEPT?UDP ports of both ranges that stay with the host, empty for none}" "${KEEPER:?program that holds them}"

setting=/etc/sysctl.d/60-wiab-calling.conf
program=/opt/wiab/calling/keep
service=wiab-calling-ports
key=/proc/sys/net/ipv4/ip_local_port_range

apply() {
  holds "$setting" "net.ipv4.ip_local_port_range = $FIRST $LAST" ||
    put "$setting" "net.ipv4.ip_local_port_range = $FIRST $LAST"
  printf '%s %s\n' "$FIRST" "$LAST" >"$key"
  # The kernel keeps what it takes for an error to itself.
  [ "$(tr '\t' ' ' <"$key")" = "$FIRST $LAST" ] || fail "the kernel has refused the port range $FIRST to $LAST"
  if [ -n "$KEPT" ]; then keep; else let_go; fi
}

# Before what carries calls at a boot.
keep() {
  [ -x /usr/bin/python3 ] || fail "the command python3 is missing on $(hostname), which holds the ports of firewall.hostPorts: install python3"
  service_file "$service" "$program" "$KEEPER" 0755
  service_file "$service" "/etc/systemd/system/$service.service" "[Unit]
Description=UDP ports that stay with the host
Before=containerd.service kubelet.service

[Service]
ExecStart=/usr/bin/python3 $program $KEPT
DynamicUser=yes
Restart=always

[Install]
WantedBy=multi-user.target
"
  run_service "$service"
}

let_go() {
  [ -e "/etc/systemd/system/$service.service" ] || return 0
  systemctl --quiet disable --now "$service.service"
  rm -f "/etc/systemd/system/$service.service" "$program"
  systemctl daemon-reload
}

remove() {
  let_go
  rm -f "$setting"
  # The kernel's own.
  printf '32768 60999\n' >"$key"
}
