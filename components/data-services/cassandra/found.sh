# Leave for the first node to found a ring, which is given once in the life of a deployment: a node whose disk is empty
# later has lost it, and joins the others.
apply() {
  mkdir -p /var/lib/cassandra
  [ -e /var/lib/cassandra/joined ] || touch /var/lib/cassandra/founder
  say "$(hostname) may found the ring"
}

update() { say "$(hostname) may found a ring no more than once"; }
