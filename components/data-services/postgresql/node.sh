# PostgreSQL on a node: founds the cluster, joins it, follows its settings, or leaves it. Nothing here wipes data that a
# node has: whose data are the newer ones is decided before every start of PostgreSQL (before-start.py), not here.
: "${NODE:?name of the node}"
: "${NODE_ID:?its number in repmgr}"
: "${CONNINFO:?how repmgr reaches it}"
: "${PRIORITY:?its priority in repmgr}"
: "${FIRST:?name of the node that founds the cluster}"
: "${MAX_CONNECTIONS:?connections at a time}"
: "${RETIRING:?whether it leaves the cluster, yes or no}"
: "${MAJOR:?release of PostgreSQL}"
: "${PACKAGES:?one line each: name, version, what apt installs it from}"
: "${NODE_ADDRESSES:?of all nodes}"
: "${ADDRESSES:?of nodes and clients}"
: "${PORTS:?of the database, the guard and the exporter}"
: "${SETTINGS:?settings of our programs}"
: "${POSTGRESQL_CONF:?}"
: "${PG_HBA:?}"
: "${REPMGR_CONF:?}"
: "${UNIT_WIAB_POSTGRESQL:?}"
: "${UNIT_WIAB_POSTGRESQL_GUARD:?}"
: "${UNIT_WIAB_REPMGRD:?}"
: "${UNIT_WIAB_POSTGRES_EXPORTER?empty where the artifact has no exporter}"
: "${CLUSTER_PY:?}"
: "${GUARD_PY:?}"
: "${BEFORE_START_PY:?}"
: "${HEALTH_PY:?}"
: "${BACKUP_PY:?}"
: "${RESTORE_PY:?}"
: "${PGPASS:?passwords, as libpq reads them}"
: "${REPMGR_PASSWORD:?}"
: "${TLS_KEY?empty without TLS}"
: "${TLS_CERTIFICATE?empty without TLS}"

CONFIG=/etc/wiab/postgresql
PROGRAMS=/opt/wiab/postgresql
DATA_HOME=/var/lib/postgresql/wiab
DATA=$DATA_HOME/data
BIN=/usr/lib/postgresql/$MAJOR/bin
RELOAD=/run/wiab-postgresql.reload

apply() {
  # Its programs want to come back to the folder that they were started in, as a user who may not enter that of root.
  cd /
  one_at_a_time /run/wiab-postgresql.lock
  refuse_other_release
  install_release
  configure
  if [ "$RETIRING" = yes ]; then
    leave
    return
  fi
  rm -f "$DATA_HOME/retired" "$DATA_HOME/left"
  run_service wiab-postgresql-guard
  found_or_join
  serve
  register
  follow_settings
  run_service wiab-repmgrd
  [ -z "$UNIT_WIAB_POSTGRES_EXPORTER" ] || run_service wiab-postgres-exporter
  say "PostgreSQL $("$BIN/postgres" --version | awk '{ print $3 }') on $NODE is $(state)"
}

refuse_other_release() {
  local present
  [ -f "$DATA/PG_VERSION" ] || return 0
  present=$(<"$DATA/PG_VERSION")
  [ "$present" = "$MAJOR" ] ||
    fail "the data on $NODE are of PostgreSQL $present, and the artifact has $MAJOR: a new major release cannot take over data in rolling order. Back up with an artifact of $present, destroy, deploy with $MAJOR, and restore"
}

# Another minor release; the server that runs goes on from its old files until its restart.
install_release() {
  local name version source present output sources=()
  while read -r name version source; do
    present=$(dpkg-query --show --showformat='${Version}' "$name" 2>/dev/null || true)
    [ "$present" = "$version" ] && continue
    [ -z "$present" ] || ! dpkg --compare-versions "$version" lt "$present" ||
      fail "$NODE has $name $present, which is newer than the artifact's $version: use an artifact that has it"
    sources+=("$source")
  done <<<"$PACKAGES"
  [ "${#sources[@]}" -gt 0 ] || return 0
  output=$(apt-get --quiet --quiet --option DPkg::Lock::Timeout=600 --option Dpkg::Use-Pty=0 \
    --option Dpkg::Options::=--force-confold install --yes --no-install-recommends "${sources[@]}" 2>&1) ||
    fail "apt could not install ${sources[*]} on $NODE: $(tail -n 20 <<<"$output")"
}

configure() {
  local mask=/etc/systemd/system/postgresql.service
  # The package has made a cluster of its own, which would take the port at the next boot.
  [ "$(readlink "$mask")" = /dev/null ] || systemctl --quiet mask --now postgresql.service
  install --directory --mode=0700 --owner=postgres --group=postgres "$DATA_HOME"
  # shellcheck disable=SC2086 # three numbers
  set -- $PORTS
  admit postgresql "$1 $3" "$ADDRESSES"
  admit postgresql-guard "$2" "$NODE_ADDRESSES"
  secret pgpass "$PGPASS"
  secret server.key "$TLS_KEY"
  secret server.crt "$TLS_CERTIFICATE"
  secret postgresql.conf "$POSTGRESQL_CONF"
  secret pg_hba.conf "$PG_HBA"
  secret pg_ident.conf $'wiab postgres wiab_monitor\n'
  service_file wiab-postgresql-guard "$CONFIG/settings.json" "$SETTINGS"
  service_file wiab-postgresql-guard "$PROGRAMS/cluster.py" "$CLUSTER_PY"
  service_file wiab-postgresql-guard "$PROGRAMS/guard" "$GUARD_PY" 0755
  service_file wiab-postgresql-guard /etc/systemd/system/wiab-postgresql-guard.service "$UNIT_WIAB_POSTGRESQL_GUARD"
  service_file wiab-repmgrd "$CONFIG/repmgr.conf" "$REPMGR_CONF"
  service_file wiab-repmgrd /etc/systemd/system/wiab-repmgrd.service "$UNIT_WIAB_REPMGRD"
  service_file wiab-postgresql /etc/systemd/system/wiab-postgresql.service "$UNIT_WIAB_POSTGRESQL"
  [ -z "$UNIT_WIAB_POSTGRES_EXPORTER" ] ||
    service_file wiab-postgres-exporter /etc/systemd/system/wiab-postgres-exporter.service "$UNIT_WIAB_POSTGRES_EXPORTER"
  program postgresql before-start "$BEFORE_START_PY"
  program postgresql health "$HEALTH_PY"
  program postgresql backup "$BACKUP_PY"
  program postgresql restore "$RESTORE_PY"
  systemctl daemon-reload
}

# secret FILE TEXT: what PostgreSQL reads when it is told to reload.
secret() {
  holds "$CONFIG/$1" "$2" || {
    touch "$RELOAD"
    put "$CONFIG/$1" "$2" 0600 postgres:postgres
  }
}

as_postgres() { runuser -u postgres -- "$@"; }
query() { as_postgres "$BIN/psql" -XAtq -v ON_ERROR_STOP=1 -d "${2:-postgres}" -c "$1"; }
peers() { as_postgres "$PROGRAMS/guard" peers; }

# primary, standby, or nothing if PostgreSQL does not answer.
state() { query "select case when pg_is_in_recovery() then 'standby' else 'primary' end" 2>/dev/null || true; }

# Where no node has any data, the first founds the cluster. A node that does not answer could have some.
found_or_join() {
  [ ! -f "$DATA/PG_VERSION" ] || return 0
  wait_for "the other nodes of PostgreSQL to say whether they have its data" 300 tells_who_has_data
  ! has_data "$(peers)" || return 0
  [ "$NODE" = "$FIRST" ] || fail "no node has data of PostgreSQL, and $FIRST, which founds the cluster, has none either: run its script first"
  rm -rf "$DATA.new"
  as_postgres "$BIN/initdb" --pgdata="$DATA.new" --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
    --auth-local=peer --auth-host=scram-sha-256 >/dev/null
  mv "$DATA.new" "$DATA"
}

tells_who_has_data() {
  local answers
  answers=$(peers)
  has_data "$answers" || ! grep ' unreachable ' <<<"$answers"
}

has_data() { grep -qE '^\S+ \S+ (primary|standby|down) ' <<<"$1"; }

serve() {
  systemctl --quiet enable wiab-postgresql.service
  if ! systemctl --quiet is-active wiab-postgresql.service; then
    # It may have to wait for other nodes, and we with it, but not for longer than is said here.
    systemctl --no-block restart wiab-postgresql.service
    rm -f "/run/wiab-wiab-postgresql.changed" "$RELOAD"
  fi
  wait_for "PostgreSQL on $NODE to serve" 3600 serves
}

# What it waits for stands in its journal.
serves() {
  case $(state) in
    primary) return 0 ;;
    # While the primary is away, a standby serves too; it is the record of repmgr that says which one that is.
    standby) if receives || [ -z "$(primary_address)" ]; then return 0; fi ;;
  esac
  journalctl --no-pager --lines 5 --unit wiab-postgresql.service
  return 1
}

receives() { [ "$(query "select count(*) from pg_stat_wal_receiver where status = 'streaming'")" = 1 ]; }

primary_address() { as_postgres "$PROGRAMS/guard" primary 2>/dev/null || true; }

# on_primary SQL: asks the primary, wherever it is; its changes do not wait for standbys.
on_primary() {
  local address
  address=$(primary_address)
  [ -n "$address" ] || fail "no node is the primary of PostgreSQL; $(peers | tr '\n' ';')"
  # Of a parameter that is named twice, libpq takes the last.
  as_postgres "$BIN/psql" -XAtq -v ON_ERROR_STOP=1 -d "$CONNINFO host=$address" -c "$1"
}

# The role of repmgr, and the node in its record.
register() {
  local record
  if [ "$(state)" = primary ]; then
    as_postgres "$BIN/psql" -Xq -v ON_ERROR_STOP=1 -d postgres <<SQL
set log_min_error_statement = panic;
select 'create role repmgr' where not exists (select from pg_roles where rolname = 'repmgr') \gexec
alter role repmgr with login superuser replication;
-- Its record of the nodes must not wait for nodes that are away.
alter role repmgr set synchronous_commit = local;
select 'create database repmgr owner repmgr' where not exists (select from pg_database where datname = 'repmgr') \gexec
SQL
    as_postgres "$BIN/psql" -XAtq -d "$CONNINFO" -c "select" >/dev/null 2>&1 ||
      as_postgres "$BIN/psql" -Xq -v ON_ERROR_STOP=1 -d postgres <<<"set log_min_error_statement = panic; alter role repmgr password '$REPMGR_PASSWORD';"
  fi
  record="select count(*) from repmgr.nodes where node_id = $NODE_ID and node_name = '$NODE' and conninfo = '$CONNINFO' and priority = $PRIORITY"
  [ "$(query "$record" repmgr 2>/dev/null)" = 1 ] ||
    as_postgres "$BIN/repmgr" -f "$CONFIG/repmgr.conf" "$(state)" register --force >"$DATA_HOME/register.log" 2>&1 ||
    fail "repmgr does not register $NODE: $(tail -n 5 "$DATA_HOME/register.log")"
  wait_for "repmgr's record to have $NODE" 300 in_record "$record"
}

in_record() { [ "$(query "$1" repmgr)" = 1 ]; }

# Settings that a reload brings into force do not restart anything.
follow_settings() {
  local loaded began
  if [ -e "$RELOAD" ]; then
    loaded=$(query "select pg_conf_load_time()")
    systemctl reload wiab-postgresql.service
    wait_for "PostgreSQL on $NODE to read its settings" 120 differs "$loaded" "select pg_conf_load_time()"
    rm -f "$RELOAD"
  fi
  ! as_wanted || return 0
  wait_for "the other nodes of PostgreSQL to do without $NODE" 300 others_suffice
  # The pause of a restart is far shorter than that of a failover: clients have to connect again, and lose nothing.
  [ "$(state)" != primary ] || query checkpoint
  began=$(query "select pg_postmaster_start_time()")
  systemctl --no-block restart wiab-postgresql.service
  wait_for "PostgreSQL on $NODE to start anew" 3600 differs "$began" "select pg_postmaster_start_time()"
  rm -f /run/wiab-wiab-postgresql.changed
  wait_for "PostgreSQL on $NODE to serve again" 3600 serves
  wait_for "the standbys of PostgreSQL to come back to $NODE" 600 others_suffice
}

differs() {
  local now
  now=$(query "$2") && [ "$now" != "$1" ]
}

# Whether the server that runs is of the release and has the settings that it would start with.
as_wanted() {
  local connections
  [ ! -e /run/wiab-wiab-postgresql.changed ] || return 1
  "$BIN/postgres" --version | grep -qF " $(query "show server_version")" || return 1
  # A standby has as many as its primary, even where that has its turn later.
  connections=$(as_postgres "$BIN/pg_controldata" "$DATA" | awk -F: '/^max_connections setting/ { print $2 + 0 }')
  [ "$(state)" = standby ] && [ "$connections" -gt "$MAX_CONNECTIONS" ] || connections=$MAX_CONNECTIONS
  [ "$(query "show max_connections")" = "$connections" ] &&
    [ "$(query "select count(*) from pg_settings where pending_restart")" = 0 ]
}

# Whether writes go on without this node.
others_suffice() {
  local missing
  missing=$(on_primary "select needed - there || ' of ' || needed from (select (count(*) - 1) / 2 as needed from repmgr.nodes) n,
    (select count(*) as there from pg_stat_replication where state = 'streaming' and application_name <> '$NODE') r where there < needed")
  [ -z "$missing" ] || fail "the primary lacks $missing standbys that its writes need; see /opt/wiab/postgresql/health"
}

# Gives the node's part to the others: the primary's as well, which costs a failover.
leave() {
  local record="select count(*) from repmgr.nodes where node_id = $NODE_ID"
  if [ ! -f "$DATA/PG_VERSION" ] || [ -e "$DATA_HOME/left" ]; then
    say "$NODE has no part in PostgreSQL"
    return
  fi
  systemctl start wiab-postgresql-guard.service
  if [ ! -e "$DATA_HOME/retired" ]; then
    serve
    [ "$(state)" = standby ] ||
      wait_for "a standby that has all data of $NODE" 300 standby_is_up_to_date
    systemctl --quiet disable --now wiab-repmgrd.service
    # In order: a primary ends once its standbys have all that it has.
    systemctl --quiet disable --now wiab-postgresql.service
    put "$DATA_HOME/retired" ""
  fi
  wait_for "another node to be the primary of PostgreSQL" 900 primary_elsewhere
  on_primary "update repmgr.nodes set upstream_node_id = null where upstream_node_id = $NODE_ID;
    delete from repmgr.nodes where node_id = $NODE_ID;
    select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'repmgr_slot_$NODE_ID' and not active" >/dev/null
  [ "$(on_primary "$record")" = 0 ] || fail "repmgr still has $NODE in its record"
  put "$DATA_HOME/left" ""
  systemctl --quiet disable --now wiab-postgresql-guard.service
  [ -z "$UNIT_WIAB_POSTGRES_EXPORTER" ] || systemctl --quiet disable --now wiab-postgres-exporter.service
  say "$NODE has left PostgreSQL"
}

primary_elsewhere() { [ -n "$(primary_address)" ]; }

standby_is_up_to_date() {
  [ "$(query "select count(*) from pg_stat_replication where state = 'streaming' and pg_wal_lsn_diff(sent_lsn, flush_lsn) = 0")" -gt 0 ] ||
    fail "no standby has the data of $NODE, so it cannot leave"
}
