# The ring as a whole: complete, with what its health check needs, and in order.
: "${VERSION:?of Cassandra}"
: "${NODES:?names of the nodes that stay}"

apply() {
  local ring=(python3 /opt/wiab/cassandra/ring.py)
  wait_for "a whole ring of $NODES" 1800 "${ring[@]}" whole
  "${ring[@]}" provision
  wait_for "a healthy ring" 600 /opt/wiab/cassandra/health
  /opt/wiab/cassandra/health
}
