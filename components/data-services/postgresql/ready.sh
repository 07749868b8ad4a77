# What Wire needs of PostgreSQL: its database and user. Runs once all nodes have had their turn.
: "${CONNINFO:?how repmgr reaches this node}"
: "${MAJOR:?release of PostgreSQL}"
: "${DATABASE:?name of the database and of its user}"
: "${PASSWORD:?of that user}"
: "${CLUSTER:?what all nodes are; nothing is read from it, and its change is a reason to look at all again}"

BIN=/usr/lib/postgresql/$MAJOR/bin

apply() {
  # Its programs want to come back to the folder that they were started in, as a user who may not enter that of root.
  cd /
  wait_for "a primary of PostgreSQL" 900 primary_address
  provision
  wait_for "PostgreSQL to be healthy" 1800 /opt/wiab/postgresql/health
  /opt/wiab/postgresql/health
}

primary_address() {
  # Its own guard knows of this node, too.
  runuser -u postgres -- /opt/wiab/postgresql/guard primary
}

# sql DATABASE [OPTION...]: runs what comes in on the primary, as the superuser of the nodes.
sql() {
  local database=$1
  shift
  runuser -u postgres -- "$BIN/psql" -XAtq -v ON_ERROR_STOP=1 "$@" \
    -d "$(sed "s/host=[^ ]*/host=$(primary_address)/; s/dbname=[^ ]*/dbname=$database/" <<<"$CONNINFO")"
}

# Whatever was changed by hand is put back. Unlike repmgr's own record, this has to be on a standby, too.
provision() {
  local login
  sql postgres <<SQL
set synchronous_commit = on;
set log_min_error_statement = panic;
select 'create role "$DATABASE"' where not exists (select from pg_roles where rolname = '$DATABASE') \gexec
select 'alter role "$DATABASE" with login nosuperuser nocreatedb nocreaterole noreplication' from pg_roles
  where rolname = '$DATABASE' and not (rolcanlogin and not rolsuper and not rolcreatedb and not rolcreaterole and not rolreplication) \gexec
select 'create role wiab_monitor login in role pg_monitor' where not exists (select from pg_roles where rolname = 'wiab_monitor') \gexec
select 'create database "$DATABASE" owner "$DATABASE"' where not exists (select from pg_database where datname = '$DATABASE') \gexec
select 'alter database "$DATABASE" owner to "$DATABASE"' from pg_database where datname = '$DATABASE' and pg_get_userbyid(datdba) <> '$DATABASE' \gexec
SQL
  sql "$DATABASE" <<SQL
set synchronous_commit = on;
select 'grant create, usage on schema public to "$DATABASE"'
  where not exists (select from pg_namespace, aclexplode(nspacl) a where nspname = 'public' and a.grantee = '"$DATABASE"'::regrole and a.privilege_type = 'CREATE') \gexec
SQL
  login=$(sed "s/user=[^ ]*/user=$DATABASE/; s/dbname=[^ ]*/dbname=$DATABASE/; s/host=[^ ]*/host=$(primary_address)/" <<<"$CONNINFO")
  runuser -u postgres -- "$BIN/psql" -XAtq -d "$login" -c "select" >/dev/null 2>&1 ||
    sql postgres <<<"set synchronous_commit = on; set log_min_error_statement = panic; alter role \"$DATABASE\" password '$PASSWORD';"
}
