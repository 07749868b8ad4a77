# MinIO on one node. Its drives are one erasure set, made once: the nodes that it was founded on are those that it has.
: "${VERSION:?of MinIO}"
: "${NODE:?name of this node}"
: "${RETIRING?yes where this node is to leave}"
: "${MEMBERS:?one line each: name and address of the nodes to found it on}"
: "${SCHEME:?http or https}"
: "${ENVIRONMENT:?its settings, with the administrator in them}"
: "${UNIT:?systemd unit}"
: "${CARE:?systemd unit}"
: "${CARE_TIMER:?its timer}"
: "${PRIVATE_KEY?PEM; empty without TLS}"
: "${CERTIFICATE?PEM}"
: "${AUTHORITY?PEM}"
: "${PORTS:?of nodes and clients}"
: "${ADDRESSES:?that may reach them}"
: "${SETTINGS:?settings.json, for the programs}"
: "${STORE_PROGRAM:?store.py}"
: "${PROVISION:?program}"
: "${HEALTH:?program}"
: "${BACKUP:?program}"
: "${RESTORE:?program}"

SERVICE=minio
LIBRARY=/opt/wiab/$SERVICE
CONFIG=/etc/wiab/$SERVICE
DRIVES="/var/lib/minio-server1 /var/lib/minio-server2"

apply() {
  one_at_a_time "/run/wiab/$SERVICE.lock"
  refuse_step
  programs
  local layout
  layout=$(find_layout)
  [ "$(wc -l <<<"$layout")" -le 8 ] || fail "MinIO is founded on 8 nodes at most: an erasure set has 16 drives, two of each node"
  holds "$CONFIG/layout" "$layout"$'\n' || put "$CONFIG/layout" "$layout"$'\n'
  if ! grep -q "^$NODE " <<<"$layout"; then
    say "MinIO has no drives on $NODE: its erasure set is what it was founded on, $(cut -d ' ' -f 1 <<<"$layout" | xargs)"
    return
  fi
  [ -z "$RETIRING" ] || refuse_leaving "$layout"
  run "$layout"
  say "MinIO $VERSION runs on $NODE"
}

# Data that a newer version has written, an older one need not read.
refuse_step() {
  local present
  present=$(cat "$CONFIG/version" 2>/dev/null || true)
  # Versions have their time behind the point.
  [[ ! ${present#*.} > ${VERSION#*.} ]] || fail "$(hostname) has the data of MinIO $present: it cannot go back to $VERSION"
}

founded() { [ -f "${DRIVES%% *}/.minio.sys/format.json" ]; }

# What this node knows, else what another one does, else what it is to be.
find_layout() {
  local known
  if [ -f "$CONFIG/layout" ] && founded; then
    cat "$CONFIG/layout"
    return
  fi
  known=$("$LIBRARY/store.py" learn)
  printf '%s\n' "${known:-$MEMBERS}"
}

refuse_leaving() {
  founded || fail "$NODE is to leave MinIO and has none of its data: rebuild it as one that stays"
  fail "$NODE cannot leave: MinIO's drives on $(cut -d ' ' -f 1 <<<"$1" | xargs) are one erasure set, which cannot lose a part for good; keep the machine, or found a smaller deployment and restore a backup there"
}

programs() {
  id "$SERVICE" >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir / --no-create-home --shell /usr/sbin/nologin "$SERVICE"
  install -d -m 0755 "$CONFIG"
  holds "$CONFIG/settings.json" "$SETTINGS" || put "$CONFIG/settings.json" "$SETTINGS" 0600
  program "$SERVICE" store.py "$STORE_PROGRAM"
  program "$SERVICE" provision.py "$PROVISION"
  program "$SERVICE" health "$HEALTH"
  program "$SERVICE" backup "$BACKUP"
  program "$SERVICE" restore "$RESTORE"
  certificates
}

certificates() {
  [ -n "$CERTIFICATE" ] || return 0
  service_file "$SERVICE" "$CONFIG/certs/CAs/authority.crt" "$AUTHORITY"
  service_file "$SERVICE" "$CONFIG/certs/public.crt" "$CERTIFICATE"
  service_file "$SERVICE" "$CONFIG/certs/private.key" "$PRIVATE_KEY" 0640 "root:$SERVICE"
}

run() {
  local unit volumes alike together=''
  volumes=$(volumes_of "$1")
  unit=${UNIT//@VOLUMES@/$volumes}
  # Nodes that differ in these do not talk to one another.
  alike="$VERSION $volumes"$'\n'"$ENVIRONMENT"
  # shellcheck disable=SC2086 # two words
  install -d -m 0750 -o "$SERVICE" -g "$SERVICE" $DRIVES
  admit "$SERVICE" "$PORTS" "$ADDRESSES"
  if founded && ! holds "$CONFIG/alike" "$alike"; then
    together=yes
    say "MinIO pauses until all nodes have the new version or address or administrator"
  fi
  service_file "$SERVICE" "$CONFIG/environment" "$ENVIRONMENT" 0640 "root:$SERVICE"
  service_file "$SERVICE" "/etc/systemd/system/$SERVICE.service" "$unit"
  if [ -e "/run/wiab-$SERVICE.changed" ] && founded && [ -z "$together" ] &&
    systemctl --quiet is-active "$SERVICE.service"; then
    store hold
  fi
  run_service "$SERVICE"
  holds "$CONFIG/version" "$VERSION" || put "$CONFIG/version" "$VERSION"
  holds "$CONFIG/alike" "$alike" || put "$CONFIG/alike" "$alike" 0600
  if [ -z "$together" ] && elsewhere "$1"; then
    store serve
  fi
  keep_timer "wiab-$SERVICE-care" "$CARE" "$CARE_TIMER"
}

store() {
  "$LIBRARY/store.py" "$@" || {
    journalctl --no-pager --lines 20 --unit "$SERVICE.service" >&2 || true
    exit 1
  }
}

# Whether it is at work on other nodes already: this one joins them then.
elsewhere() {
  [ "$(wc -l <<<"$1")" -gt 1 ] && [ -n "$("$LIBRARY/store.py" learn)" ]
}

volumes_of() {
  local name address drive urls=()
  if [ "$(wc -l <<<"$1")" = 1 ]; then
    say "$DRIVES"
    return
  fi
  while read -r name address; do
    for drive in $DRIVES; do
      urls+=("$SCHEME://$address:9000$drive")
    done
  done <<<"$1"
  say "${urls[*]}"
}
