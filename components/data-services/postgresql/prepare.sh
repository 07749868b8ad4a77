# Has the packages of PostgreSQL make no cluster of their own: nobody would use it, and at the next boot it would take
# the port.

apply() {
  local file=/etc/postgresql-common/createcluster.conf text=$'create_main_cluster = false\n'
  # Who has used PostgreSQL here before has his own.
  [ -e "$file" ] || put "$file" "$text"
  say "the packages of PostgreSQL leave it to us to make a cluster"
}
