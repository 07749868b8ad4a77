# A second place for backups: the asset host brings there what it has, every hour.
: "${SETTINGS:?settings.json, where it is}"
: "${KNOWN_HOSTS:?the key of the server there}"
: "${PRIVATE_KEY:?that it lets in}"
: "${OFFHOST_PROGRAM:?offhost.py}"

CONFIG=/etc/wiab/offhost
UNIT=/etc/systemd/system/wiab-offhost

apply() {
  install_packages openssh-client python3
  keep_file "$CONFIG/settings.json" "$SETTINGS" 0644
  keep_file "$CONFIG/known_hosts" "$KNOWN_HOSTS" 0644
  keep_file "$CONFIG/key" "$PRIVATE_KEY" 0600
  keep_file /opt/wiab/backup/offhost "$OFFHOST_PROGRAM" 0755
  [ "$(readlink /usr/local/sbin/wiab-offhost)" = /opt/wiab/backup/offhost ] ||
    ln -sfn /opt/wiab/backup/offhost /usr/local/sbin/wiab-offhost
  keep_file "$UNIT.service" "[Unit]
Description=Backups brought off the host
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/wiab-offhost push
Nice=10
IOSchedulingClass=idle
" 0644
  keep_file "$UNIT.timer" "[Unit]
Description=When backups are brought off the host

[Timer]
OnCalendar=hourly
RandomizedDelaySec=600
Persistent=true

[Install]
WantedBy=timers.target
" 0644
  systemctl daemon-reload
  systemctl --quiet enable wiab-offhost.timer
  systemctl --quiet start wiab-offhost.timer
  say "backups are brought off the host every hour"
}

# What is there stays there.
remove() {
  systemctl --quiet disable --now wiab-offhost.timer 2>/dev/null || true
  rm -rf "$CONFIG" "$UNIT.service" "$UNIT.timer" /opt/wiab/backup/offhost /usr/local/sbin/wiab-offhost
  systemctl daemon-reload
}

keep_file() { holds "$1" "$2" || put "$1" "$2" "$3"; }
