# Elasticsearch on one node. Nodes of a cluster have their turns one after another.
: "${VERSION:?of Elasticsearch}"
: "${PACKAGE?Debian package that the programs are in; empty where they have been unpacked}"
: "${SETTINGS:?elasticsearch.yml}"
: "${LOGGING:?log4j2.properties}"
: "${UNIT:?systemd unit}"
: "${HOSTS:?unicast_hosts.txt: where nodes are looked for}"
: "${MINIMUM_MASTER_NODES:?how many nodes have to see one another}"
: "${CLUSTER:?cluster.json: this node and the others, for the programs}"
: "${RETIRING?yes where this node is to leave}"
: "${CLIENT_PORTS:?for nodes and clients}"
: "${CLIENTS:?addresses that may reach them}"
: "${NODE_PORTS:?for nodes alone}"
: "${NODES:?addresses that may reach them}"
: "${CARE:?systemd unit}"
: "${CARE_TIMER:?its timer}"
: "${CLUSTER_PROGRAM:?cluster.py}"
: "${HEALTH:?program}"
: "${BACKUP:?program}"
: "${RESTORE:?program}"

SERVICE=elasticsearch
LIBRARY=/opt/wiab/$SERVICE
CONFIG=/etc/wiab/$SERVICE

apply() {
  one_at_a_time "/run/wiab/$SERVICE.lock"
  refuse_step
  unpack_package
  user_and_folders
  programs
  if [ -n "$RETIRING" ]; then
    retire
    return
  fi
  configure
  local others
  others=$(cluster others)
  if [ -e "/run/wiab-$SERVICE.changed" ] && [ "$others" -gt 0 ] && systemctl --quiet is-active "$SERVICE.service"; then
    cluster hold
  fi
  run_service "$SERVICE"
  holds "$CONFIG/version" "$VERSION" || put "$CONFIG/version" "$VERSION"
  # Alone it elects nobody: while a cluster is being founded, its last nodes complete it.
  [ "$others" = 0 ] || cluster serve
  keep_timer "wiab-$SERVICE-care" "$CARE" "$CARE_TIMER"
  say "Elasticsearch $VERSION runs on $(hostname)"
}

cluster() {
  "$LIBRARY/cluster.py" "$@" || {
    journalctl --no-pager --lines 20 --unit "$SERVICE.service" >&2 || true
    exit 1
  }
}

# Data that a newer version has written, an older one does not read.
refuse_step() {
  local present
  present=$(cat "$CONFIG/version" 2>/dev/null || true)
  [ -z "$present" ] || dpkg --compare-versions "$VERSION" ge "$present" ||
    fail "$(hostname) has the data of Elasticsearch $present: it cannot go back to $VERSION"
}

# Without its maintainer scripts, which would make a service of it that is not ours.
unpack_package() {
  local directory=${PACKAGE%/*}
  [ -n "$PACKAGE" ] && [ ! -d "$directory/usr" ] || return 0
  rm -rf "$directory/new"
  dpkg-deb --extract "$PACKAGE" "$directory/new"
  mv "$directory/new/usr" "$directory/usr"
  rm -r "$directory/new"
}

user_and_folders() {
  id "$SERVICE" >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir "/var/lib/$SERVICE" --no-create-home --shell /usr/sbin/nologin "$SERVICE"
  # It keeps a key store of its own beside its settings.
  install -d -m 2770 -o root -g "$SERVICE" "$CONFIG"
  install -d -m 0750 -o "$SERVICE" -g "$SERVICE" "/var/lib/$SERVICE" "/var/log/$SERVICE"
}

programs() {
  holds "$CONFIG/cluster.json" "$CLUSTER" || put "$CONFIG/cluster.json" "$CLUSTER"
  program "$SERVICE" cluster.py "$CLUSTER_PROGRAM"
  program "$SERVICE" health "$HEALTH"
  program "$SERVICE" backup "$BACKUP"
  program "$SERVICE" restore "$RESTORE"
}

configure() {
  admit "$SERVICE" "$CLIENT_PORTS" "$CLIENTS"
  admit "$SERVICE-nodes" "$NODE_PORTS" "$NODES"
  service_file "$SERVICE" "$CONFIG/elasticsearch.yml" "$SETTINGS"
  service_file "$SERVICE" "$CONFIG/log4j2.properties" "$LOGGING"
  service_file "$SERVICE" "/etc/systemd/system/$SERVICE.service" "$UNIT"
  # For the next start; a cluster that runs is told by `quorum`, and reads the hosts by itself.
  holds "$CONFIG/quorum" "MINIMUM_MASTER_NODES=$MINIMUM_MASTER_NODES" ||
    put "$CONFIG/quorum" "MINIMUM_MASTER_NODES=$MINIMUM_MASTER_NODES"
  holds "$CONFIG/unicast_hosts.txt" "$HOSTS" || put "$CONFIG/unicast_hosts.txt" "$HOSTS"
  memory_maps
}

# The number sorts before that of any service that wants more, and what runs is never lowered.
memory_maps() {
  local file=/etc/sysctl.d/10-wiab-$SERVICE.conf number=262144
  holds "$file" "vm.max_map_count = $number" || put "$file" "vm.max_map_count = $number"
  [ "$(</proc/sys/vm/max_map_count)" -ge "$number" ] || printf '%s' "$number" >/proc/sys/vm/max_map_count
}

retire() {
  # One that is enabled and down may have data.
  if systemctl --quiet is-enabled "$SERVICE.service" 2>/dev/null; then
    systemctl --quiet is-active "$SERVICE.service" || run_service "$SERVICE"
    cluster join
    cluster drain
    systemctl --quiet disable --now "$SERVICE.service"
    drop_timer "wiab-$SERVICE-care"
    cluster gone
  fi
  say "Elasticsearch has left $(hostname)"
}
