# A node of the ring: its settings, its way into the ring and, when it retires, out of it.
: "${NAME:?of the node}"
: "${ADDRESS:?of the node}"
: "${ADDRESSES:?of all nodes}"
: "${CLIENTS?addresses of the clients}"
: "${RETIRING:?yes, or no}"
: "${VERSION:?of Cassandra}"
: "${TOKENS:?of a node in a new ring}"
: "${SEEDS:?nodes to ask for the ring, with commas}"
: "${RING:?all nodes, JSON}"
: "${YAML:?cassandra.yaml, with @SEEDS@ and @TOKENS@}"
: "${RACK:?cassandra-rackdc.properties}"
: "${LOGBACK:?logback.xml of the server}"
: "${LOGBACK_TOOLS:?logback.xml of the tools}"
: "${UNIT:?systemd unit}"
: "${MAINTENANCE:?systemd unit of the weekly care}"
: "${TIMER:?its timer}"
: "${CATCH_UP:?systemd unit that mends what a damaged commit log had}"
: "${CATCH_UP_TIMER:?its timer}"
: "${NODETOOL:?program}"
: "${LOADER:?program}"
: "${CQL_PY:?Python module}"
: "${RING_PY:?Python module}"
: "${HEALTH_PY:?program}"
: "${BEFORE_START_PY:?program}"
: "${BACKUP_PY:?program}"
: "${RESTORE_PY:?program}"
: "${PRIVATE_KEY?of the server, PEM; empty without TLS}"
: "${CERTIFICATE?of the server, PEM}"
: "${AUTHORITY?certificate that has signed it, PEM}"

SETTINGS=/etc/wiab/cassandra
# Besides Cassandra's own files: `founder`, the leave to found a ring; `first-boot`, how the node starts until it has
# joined; `joined`, its version since then; `left`, once it has given its data away; `tokens`, their number.
DATA=/var/lib/cassandra

apply() {
  one_at_a_time /run/wiab-cassandra.lock
  check_version
  check_rack
  id cassandra >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin cassandra
  [ -d "$DATA/tmp" ] || install -d -m 0750 -o cassandra -g cassandra "$DATA" "$DATA/tmp"
  install_programs
  admit cassandra 9042 "$ADDRESSES${CLIENTS:+ $CLIENTS}"
  admit cassandra-ring 7000 "$ADDRESSES"
  if [ "$RETIRING" = yes ]; then
    retire
    return
  fi
  [ ! -e "$DATA/left" ] || forget
  [ -e "$DATA/joined" ] || [ -e "$DATA/first-boot" ] || find_place
  configure
  start
  [ -e "$DATA/joined" ] || finish_joining
  [ "$(<"$DATA/joined")" = "$VERSION" ] || put "$DATA/joined" "$VERSION"
  with_log wait_for "every node of the ring to see every other" 1800 ring settled
  keep_timer wiab-cassandra-care "$MAINTENANCE" "$TIMER"
  keep_timer wiab-cassandra-catch-up "$CATCH_UP" "$CATCH_UP_TIMER"
  say "Cassandra $VERSION serves on $NAME"
}

install_programs() {
  holds "$SETTINGS/ring.json" "$RING" || put "$SETTINGS/ring.json" "$RING"
  program cassandra cql.py "$CQL_PY"
  program cassandra ring.py "$RING_PY"
  program cassandra health "$HEALTH_PY"
  program cassandra before-start "$BEFORE_START_PY"
  program cassandra backup "$BACKUP_PY"
  program cassandra restore "$RESTORE_PY"
  program cassandra nodetool "$NODETOOL"
  program cassandra sstableloader "$LOADER"
  if [ -n "$AUTHORITY" ]; then holds "$SETTINGS/authority.crt" "$AUTHORITY" || put "$SETTINGS/authority.crt" "$AUTHORITY"; fi
}

ring() { python3 /opt/wiab/cassandra/ring.py "$@"; }

# One major version at a time, and never back: that is what Cassandra's own data formats allow.
check_version() {
  local old
  [ -e "$DATA/joined" ] || return 0
  old=$(<"$DATA/joined")
  [ "$(printf '%s\n' "$old" "$VERSION" | sort --version-sort | tail -n 1)" = "$VERSION" ] ||
    fail "$NAME has Cassandra $old, and $VERSION cannot read its data: deploy an artifact with $old or a later one"
  [ $((${VERSION%%.*} - ${old%%.*})) -le 1 ] ||
    fail "$NAME has Cassandra $old, from which no step leads to $VERSION: deploy an artifact with a version $((${old%%.*} + 1)) first"
}

# Which replicas a node has follows from its rack, and Cassandra does not start in another one with its data.
check_rack() {
  local old wanted=${RACK%$'\n'}
  [ -e "$DATA/joined" ] || return 0
  old=$(cat "$SETTINGS/cassandra-rackdc.properties" 2>/dev/null) || return 0
  [ "$old" = "$wanted" ] ||
    fail "$NAME has its data in Cassandra's rack ${old##*=}, and a node cannot move to ${wanted##*=}: set its zone back, or have it retire (retiring: true) and add a machine of another name"
}

# An empty disk does not tell whether there has ever been a ring, so only the leave that is given once in the life of a
# deployment (found.sh) founds one. A ring that is there is joined; where it knows this address, in place of its former
# self.
find_place() {
  local place
  place=$(ring place)
  if [ "$place" = alone ] && [ -e "$DATA/founder" ]; then
    place="found $TOKENS $ADDRESS"
  elif [ "$place" = alone ]; then
    (wait_for "a node of the ring" 600 in_company) ||
      fail "$NAME has no data, and no node of the ring answers. Bring one of the others back. If there was never a ring, or all its data is gone, give the first node leave to found one anew: pulumi up --replace <URN of cassandra-founder>"
    place=$(ring place)
  fi
  put "$DATA/tokens" "$(cut -d ' ' -f 2 <<<"$place")"
  put "$DATA/first-boot" "$place"
}

in_company() {
  local place
  place=$(ring place)
  [ "$place" != alone ] || fail "none of them answers"
}

# Until the node has joined it must not be a seed of its own, for seeds join without their data. Afterwards it must,
# or nodes that all start at the same time wait for one another.
configure() {
  local way=joined tokens seeds yaml option=''
  if [ -e "$DATA/joined" ]; then
    tokens=$(<"$DATA/tokens") seeds=$SEEDS
  else
    read -r way tokens seeds <<<"$(<"$DATA/first-boot")"
  fi
  service_file cassandra "$SETTINGS/cassandra.yaml.template" "$YAML"
  service_file cassandra "$SETTINGS/cassandra-rackdc.properties" "$RACK"
  service_file cassandra "$SETTINGS/logback.xml" "$LOGBACK"
  service_file cassandra /etc/systemd/system/cassandra.service "$UNIT"
  put_keystore
  yaml=${YAML//@SEEDS@/"$seeds"}
  yaml=${yaml//@TOKENS@/"$tokens"}
  case $way in
    # There is no data yet that would have to be fetched from the others.
    found | founding) yaml+=$'auto_bootstrap: false\n' ;;
    replace) option="FIRST_BOOT=-Dcassandra.replace_address_first_boot=$ADDRESS"$'\n' ;;
  esac
  # The seeds are read again while it runs, and the rest of these matters at the first start alone.
  holds "$SETTINGS/cassandra.yaml" "$yaml" || put "$SETTINGS/cassandra.yaml" "$yaml"
  holds "$SETTINGS/first-boot.env" "$option" || put "$SETTINGS/first-boot.env" "$option"
  holds "$SETTINGS/logback-tools.xml" "$LOGBACK_TOOLS" || put "$SETTINGS/logback-tools.xml" "$LOGBACK_TOOLS"
}

# Two conversions of the same key differ, so it is the key that is compared. The files' modes are what protects it: Java
# wants a password, which would lie beside it.
put_keystore() {
  local directory
  if [ -z "$PRIVATE_KEY" ]; then
    rm -f "$SETTINGS"/server.pem "$SETTINGS"/*.p12
    return
  fi
  if holds "$SETTINGS/server.pem" "$CERTIFICATE$PRIVATE_KEY" && [ -e "$SETTINGS/server.p12" ]; then return; fi
  touch /run/wiab-cassandra.changed
  directory=$(private_directory)
  put "$directory/server.pem" "$CERTIFICATE$PRIVATE_KEY" 0600
  openssl pkcs12 -export -in "$directory/server.pem" -name server -passout pass:cassandra -out "$directory/server.p12"
  keytool -importcert -noprompt -alias authority -file "$SETTINGS/authority.crt" -keystore "$directory/authority.p12" \
    -storetype PKCS12 -storepass cassandra 2>/dev/null
  install -m 0644 "$directory/authority.p12" "$SETTINGS/authority.p12"
  install -m 0640 -g cassandra "$directory/server.p12" "$SETTINGS/server.p12"
  install -m 0600 "$directory/server.pem" "$SETTINGS/server.pem"
  rm -rf "$directory"
}

# Whether the others can do without this node is asked only if they would have to.
start() {
  local reason
  if [ -e /run/wiab-cassandra.changed ] && systemctl --quiet is-active cassandra.service; then
    reason=$(ring spare 2>&1) ||
      fail "$NAME has to restart, and the others cannot do without it: $reason. Bring the ring in order first; a run without other changes may do it"
  fi
  # Not with the lock: what the tests have in place of systemd would keep it.
  run_service cassandra 9>&-
  with_log wait_for "Cassandra to serve on $NAME" 3600 serves_or_ended
  systemctl --quiet is-active cassandra.service || with_log fail "Cassandra has ended on $NAME"
}

serves_or_ended() {
  systemctl --quiet is-active cassandra.service || return 0
  # What costs nothing goes first.
  (true <"/dev/tcp/$ADDRESS/9042") 2>/dev/null || fail "it is still starting"
  ring serving
}

# with_log COMMAND...: shows the last lines of the log where that fails.
with_log() {
  ("$@") || {
    journalctl --no-pager --lines 30 --unit cassandra.service || true
    exit 1
  }
}

# While a node takes the place of its former self, with its address, the others write nothing to it.
finish_joining() {
  if [ "$(cut -d ' ' -f 1 "$DATA/first-boot")" = replace ]; then
    say "$NAME is back in the ring and fetches what was written meanwhile"
    /opt/wiab/cassandra/nodetool repair -full >/dev/null || with_log fail "$NAME cannot be repaired"
  fi
  put "$DATA/joined" "$VERSION"
  configure
  rm -f "$DATA/first-boot" "$DATA/founder"
}

retire() {
  local reason
  if [ ! -e "$DATA/left" ] && [ -d "$DATA/data" ]; then
    # An earlier run may have been killed after the node had gone.
    if ! ring left >/dev/null 2>&1; then
      systemctl --quiet is-active cassandra.service || start
      reason=$(ring may-leave 2>&1) || fail "$NAME cannot retire: $reason"
      # A run that was killed may have begun it.
      reason=$(/opt/wiab/cassandra/nodetool decommission 2>&1) || [[ "$reason" == *"still decommissioning"* ]] ||
        with_log fail "$NAME cannot retire: nodetool decommission says: $reason"
      with_log wait_for "$NAME to give its data to the others" 7200 ring left
    fi
    put "$DATA/left" "$VERSION"
  elif [ ! -e "$DATA/left" ]; then
    reason=$(ring left 2>&1) ||
      fail "$NAME has no data and cannot give it away, and the ring expects it to have some: let it join once more before it retires ($reason)"
  fi
  if [ -e /etc/systemd/system/cassandra.service ]; then
    drop_timer wiab-cassandra-care
    drop_timer wiab-cassandra-catch-up
    systemctl --quiet disable --now cassandra.service
  fi
  say "$NAME has left the ring"
}

# A node that has given its data away joins as a new one.
forget() {
  systemctl stop cassandra.service || true
  find "$DATA" -mindepth 1 -maxdepth 1 ! -name tmp -exec rm -rf {} +
}
