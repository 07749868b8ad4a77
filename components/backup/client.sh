# Backups of a node's services: the commands wiab-backup and wiab-restore, and a timer for each service.
: "${SERVICES?names of the services on this node that have a timer}"
: "${SETTINGS:?settings.json}"
: "${PRIVATE_KEY:?of this node, that the asset host lets in}"
: "${CERTIFICATE:?whose holder can read what is brought to the asset host}"
: "${KNOWN_HOSTS:?the key of the asset host}"
: "${SCHEDULE:?calendar event of systemd}"
: "${CLIENT_PROGRAM:?client.py}"
: "${PIECES_PROGRAM:?pieces.py}"
: "${SEALING_PROGRAM:?sealing.py}"

CONFIG=/etc/wiab/backup

apply() {
  local service name timers=()
  install_packages openssh-client openssl python3
  keep_file "$CONFIG/settings.json" "$SETTINGS" 0644
  keep_file "$CONFIG/known_hosts" "$KNOWN_HOSTS" 0644
  keep_file "$CONFIG/key" "$PRIVATE_KEY" 0600
  keep_file "$CONFIG/certificate.pem" "$CERTIFICATE" 0644
  keep_file /opt/wiab/backup/pieces.py "$PIECES_PROGRAM" 0644
  keep_file /opt/wiab/backup/sealing.py "$SEALING_PROGRAM" 0644
  keep_file /opt/wiab/backup/client "$CLIENT_PROGRAM" 0755
  for name in wiab-backup wiab-restore; do
    [ "$(readlink "/usr/local/sbin/$name")" = /opt/wiab/backup/client ] ||
      ln -sfn /opt/wiab/backup/client "/usr/local/sbin/$name"
  done
  for service in $SERVICES; do
    unit "$service"
    timers+=("wiab-backup-$service.timer")
  done
  forget_others
  systemctl daemon-reload
  for name in "${timers[@]}"; do
    systemctl --quiet enable "$name"
    [ ! -e "/run/$name.changed" ] || systemctl --quiet stop "$name"
    systemctl --quiet start "$name" || fail "$name does not start on $(hostname): is '$SCHEDULE' a calendar event of systemd.time(7)?"
    rm -f "/run/$name.changed"
  done
  say "$(hostname) backs up ${SERVICES:-nothing} at $SCHEDULE"
}

keep_file() { holds "$1" "$2" || put "$1" "$2" "$3"; }

unit() {
  local name=wiab-backup-$1
  keep_file "/etc/systemd/system/$name.service" "[Unit]
Description=Backup of $1 to the asset host
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/wiab-backup $1
Nice=10
IOSchedulingClass=idle
" 0644
  # With a delay: not all nodes and services at the same time.
  local timer="[Unit]
Description=When $1 is backed up

[Timer]
OnCalendar=$SCHEDULE
RandomizedDelaySec=900
Persistent=true

[Install]
WantedBy=timers.target
"
  holds "/etc/systemd/system/$name.timer" "$timer" || {
    touch "/run/$name.timer.changed"
    put "/etc/systemd/system/$name.timer" "$timer"
  }
}

# Services that are not on this node any more.
forget_others() {
  local file name
  for file in /etc/systemd/system/wiab-backup-*.timer; do
    name=$(basename "$file" .timer)
    case " $SERVICES " in *" ${name#wiab-backup-} "*) continue ;; esac
    [ -e "$file" ] || continue
    systemctl --quiet disable --now "$name.timer"
    rm -f "$file" "/etc/systemd/system/$name.service"
  done
}
