# An NTP server on the host for the machines, on their network's address alone. It hands out the host's own
# clock and never sets it: that is the business of whatever keeps the host's time.
: "${NAME:?name of the network}"
: "${ADDRESS:?address of the host in the network of the machines}"
: "${CIDR:?network of the machines}"
: "${UNIT_FILE:?file of the systemd unit}"

PIDFILE=/run/chrony/wiab-$NAME.pid
# On the command line, since AppArmor lets chronyd read its own configuration alone. Stratum 10: good enough
# for machines that have no other clock, never preferred to a real source.
DIRECTIVES=(
  "local stratum 10" "allow $CIDR" "bindaddress $ADDRESS" "port 123"
  "cmdport 0" "bindcmdaddress /" "pidfile $PIDFILE"
)

apply() {
  command -v chronyd >/dev/null || fail "chronyd is missing on $(hostname): install chrony"
  [ -n "$(ip -4 -oneline address show to "$ADDRESS")" ] ||
    fail "$(hostname) does not have the address $ADDRESS, on which the machines ask for the time: network $NAME is not up"
  if [ -d /run/systemd/system ]; then
    serve_by_unit
  elif ! answers; then
    stop
    say "systemd does not run here, so nothing starts the time server after a reboot"
    mkdir -p "${PIDFILE%/*}"
    chronyd -x "${DIRECTIVES[@]}"
  fi
  wait_for "the time server at $ADDRESS" 30 answers
  say "the clock of $(hostname) is served at $ADDRESS"
}

serve_by_unit() {
  local unit directives
  printf -v directives ' "%s"' "${DIRECTIVES[@]}"
  # Debian's own service takes the folder of the PID away whenever it stops. The address comes up when libvirt starts its
  # network, hence the restarts.
  unit="[Unit]
Description=Time for the Wire machines in network $NAME
After=libvirtd.service network.target

[Service]
ExecStartPre=$(command -v mkdir) -p ${PIDFILE%/*}
ExecStart=$(command -v chronyd) -x -d$directives
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"
  # A run that was killed may have written the file and not gone on.
  if ! holds "$UNIT_FILE" "$unit" || ! answers; then
    put "$UNIT_FILE" "$unit"
    systemctl daemon-reload
    systemctl restart "${UNIT_FILE##*/}"
  fi
  systemctl --quiet enable --now "${UNIT_FILE##*/}"
}

# The number may have gone to another process since.
serves() { grep -qsF "$PIDFILE" "/proc/${1:-none}/cmdline"; }

stop() {
  local pid
  pid=$(cat "$PIDFILE" 2>/dev/null || true)
  if serves "$pid"; then
    kill "$pid"
    wait_for "the time server to end" 15 eval "! serves $pid"
  fi
  rm -f "$PIDFILE"
}

# Asks for the time as a machine would, and sets nothing.
answers() { chronyd -Q -t 3 "server $ADDRESS iburst maxsamples 1" >/dev/null 2>&1; }

remove() {
  if [ -f "$UNIT_FILE" ]; then
    systemctl --quiet disable --now "${UNIT_FILE##*/}"
    rm "$UNIT_FILE"
    systemctl daemon-reload
  fi
  stop
}
