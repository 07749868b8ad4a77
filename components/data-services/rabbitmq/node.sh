# A broker on one node. Nodes have their turns one after another: the founder first, who leaves last.
: "${NODE:?name of this node}"
: "${FOUNDER:?name of the node that founds a cluster where there is none}"
: "${STAYING:?names of the nodes that stay}"
: "${RETIRING:?yes where this node is to leave, else no}"
: "${VERSION:?of the Debian package}"
: "${UPGRADES_FROM:?series that may be upgraded to it}"
: "${PATIENCE:?seconds that others are waited for}"
: "${CLIENT_PORTS:?for nodes and clients}"
: "${CLIENT_ADDRESSES:?who may reach them}"
: "${CLUSTER_PORTS:?for nodes alone}"
: "${NODE_ADDRESSES:?who may reach them}"
: "${CONFIGURATION:?rabbitmq.conf}"
: "${ENVIRONMENT:?rabbitmq-env.conf}"
: "${INETRC:?where Erlang looks for names}"
: "${HOSTS:?names and addresses of the nodes}"
: "${UNIT:?rabbitmq-server.service}"
: "${EPMD_UNIT:?wiab-epmd.service}"
: "${CARE:?systemd unit}"
: "${CARE_TIMER:?its timer}"
: "${COOKIE:?what brokers know one another by}"
: "${DEFINITIONS:?definitions.json}"
: "${SETTINGS:?settings.json, for the programs}"
: "${PRIVATE_KEY?of the broker, PEM; empty without TLS}"
: "${CERTIFICATE?of the broker, PEM; empty without TLS}"
: "${BROKERS_PROGRAM:?brokers.py}"
: "${AMQP_PROGRAM:?amqp.py}"
: "${STATE_PROGRAM:?program}"
: "${HEALTH_PROGRAM:?program}"
: "${REJOIN_PROGRAM:?program}"
: "${DEFINITIONS_PROGRAM:?program}"
: "${BACKUP_PROGRAM:?program}"
: "${RESTORE_PROGRAM:?program}"

SERVICE=rabbitmq-server
CONFIG=/etc/wiab/rabbitmq
HOME_DIRECTORY=/var/lib/rabbitmq
DATA=$HOME_DIRECTORY/mnesia
# Beside the data, with which it goes: this node has become a member of the cluster.
MEMBER=$HOME_DIRECTORY/wiab-member
JOIN=/etc/rabbitmq/conf.d/wiab-join.conf

apply() {
  local installed
  one_at_a_time /run/wiab/rabbitmq.lock
  installed=$(dpkg-query --show --showformat='${Version}' rabbitmq-server)
  refuse_step
  programs
  if [ "$RETIRING" = yes ]; then
    leave
    return
  fi
  configure
  if is_member; then keep; else enter; fi
  keep_timer wiab-rabbitmq-care "$CARE" "$CARE_TIMER"
  say "RabbitMQ $VERSION on $NODE $(serves_or_waits)"
}

state() { /opt/wiab/rabbitmq/state "$@"; }

series() { sed -E 's/^([0-9]+:)?([0-9]+\.[0-9]+)\..*/\2/' <<<"$1"; }

refuse_step() {
  [ "$installed" != "$VERSION" ] || return 0
  dpkg --compare-versions "$installed" lt "$VERSION" ||
    fail "$NODE has RabbitMQ $installed, whose data the older $VERSION cannot read"
  case $(series "$installed") in
    "$(series "$VERSION")" | "$UPGRADES_FROM") ;;
    *) fail "RabbitMQ $installed on $NODE cannot become $VERSION in one step: only $UPGRADES_FROM can" ;;
  esac
}

programs() {
  holds "$CONFIG/settings.json" "$SETTINGS" || put "$CONFIG/settings.json" "$SETTINGS" 0600
  program rabbitmq brokers.py "$BROKERS_PROGRAM"
  program rabbitmq amqp.py "$AMQP_PROGRAM"
  program rabbitmq state "$STATE_PROGRAM"
  program rabbitmq health "$HEALTH_PROGRAM"
  program rabbitmq rejoin "$REJOIN_PROGRAM"
  program rabbitmq definitions "$DEFINITIONS_PROGRAM"
  program rabbitmq backup "$BACKUP_PROGRAM"
  program rabbitmq restore "$RESTORE_PROGRAM"
}

configure() {
  refuse_cookie
  admit rabbitmq "$CLIENT_PORTS" "$CLIENT_ADDRESSES"
  admit rabbitmq-cluster "$CLUSTER_PORTS" "$NODE_ADDRESSES"
  # Debian's epmd would listen on every address.
  systemctl --quiet mask epmd.socket epmd.service
  # Erlang reads it again by itself, and ready.sh has the cluster take the definitions.
  holds "$CONFIG/hosts" "$HOSTS" || put "$CONFIG/hosts" "$HOSTS"
  holds "$CONFIG/definitions.json" "$DEFINITIONS" || put "$CONFIG/definitions.json" "$DEFINITIONS" 0640 root:rabbitmq
  service_file wiab-epmd /etc/systemd/system/wiab-epmd.service "$EPMD_UNIT"
  service_file "$SERVICE" "$CONFIG/inetrc" "$INETRC"
  service_file "$SERVICE" /etc/rabbitmq/rabbitmq-env.conf "$ENVIRONMENT"
  service_file "$SERVICE" /etc/rabbitmq/rabbitmq.conf "$CONFIGURATION"
  service_file "$SERVICE" /etc/rabbitmq/enabled_plugins "[rabbitmq_management]."$'\n'
  service_file "$SERVICE" "/etc/systemd/system/$SERVICE.service" "$UNIT"
  service_file "$SERVICE" "$HOME_DIRECTORY/.erlang.cookie" "$COOKIE" 0400 rabbitmq:rabbitmq
  if [ -n "$CERTIFICATE" ]; then
    service_file "$SERVICE" "$CONFIG/tls.crt" "$CERTIFICATE"
    service_file "$SERVICE" "$CONFIG/tls.key" "$PRIVATE_KEY" 0640 root:rabbitmq
  fi
}

# One with another cookie does not find the others.
refuse_cookie() {
  ! is_member || holds "$HOME_DIRECTORY/.erlang.cookie" "$COOKIE" ||
    fail "the Erlang cookie has changed, and brokers with different ones do not know each other: restore the former one in the state, or stop rabbitmq-server on all nodes and give each the new one in $HOME_DIRECTORY/.erlang.cookie"
}

# Whatever a killed run has left, a broker that has met others is one of theirs.
is_member() { [ -e "$MEMBER" ] || [ "$(grep -o 'rabbit@[^],'\'']*' "$DATA/rabbit@$NODE/cluster_nodes.config" 2>/dev/null | sort -u | wc -l)" -gt 1 ]; }

# A member that runs is stopped only when the others have all that it has.
keep() {
  run_service wiab-epmd
  if systemctl --quiet is-active "$SERVICE"; then
    known_user
    if [ -e "/run/wiab-$SERVICE.changed" ] || [ "$installed" != "$VERSION" ]; then
      wait_for "the other brokers to be able to do without $NODE" "$PATIENCE" state spare
    fi
  fi
  if [ "$installed" != "$VERSION" ]; then
    systemctl stop "$SERVICE"
    apt-get --quiet --quiet --option DPkg::Lock::Timeout=600 --option Dpkg::Options::=--force-confold \
      install --yes --no-install-recommends "rabbitmq-server=$VERSION" >/dev/null
    touch "/run/wiab-$SERVICE.changed"
  fi
  serve serves_or_waits
  # Until then there is nobody to become a member with.
  ! state serves >/dev/null || become_member
}

# The whole cluster was down, say: those whose turn comes later are what this one waits for.
serves_or_waits() { state serves || state waits; }

# The password of the programs is new where the cluster has the former one still.
known_user() {
  state serves >/dev/null || [ $? != 4 ] || rabbitmqctl --quiet import_definitions <"$CONFIG/definitions.json"
}

serve() {
  run_service "$SERVICE"
  (wait_for "the broker on $NODE" "$PATIENCE" "$@") || {
    journalctl --no-pager --lines 20 --unit "$SERVICE" >&2 || true
    exit 1
  }
}

# A node without data joins the cluster that there is. Only where all others say that they have never been brokers
# either does the founder begin one.
enter() {
  local place peer
  systemctl --quiet stop "$SERVICE"
  wait_for "word of where $NODE belongs" "$PATIENCE" state cluster
  place=$(state cluster)
  peer=${place#* }
  [ "$place" != none ] || [ "$NODE" = "$FOUNDER" ] ||
    fail "there is no cluster that $NODE could join: $FOUNDER is to found it"
  rm -rf "$DATA/rabbit@$NODE"*
  # Not before: others take it for the sign of a node that may be a member of a cluster.
  run_service wiab-epmd
  case $place in
    none) rm -f "$JOIN" ;;
    *)
      # Its name stands for data that are gone; as long as it is a member with them, its vote would count.
      [ "${place% *}" = join ] || forget "$peer"
      put "$JOIN" "cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = rabbit@$peer
"
      ;;
  esac
  serve state serves
  if [ -e "$JOIN" ] && ! is_member; then
    systemctl --quiet stop "$SERVICE"
    rm -rf "$DATA/rabbit@$NODE"*
    fail "$NODE has not become a member of the cluster of $peer: look into journalctl --unit $SERVICE on both"
  fi
  become_member
}

forget() {
  rabbitmqctl --quiet --node "rabbit@$1" forget_cluster_node "rabbit@$NODE" ||
    fail "$1 cannot strike $NODE from the list of members"
}

# Queues that were there before get a replica here as well.
become_member() {
  [ ! -e "$MEMBER" ] || return 0
  replicate "$NODE"
  rm -f "$JOIN"
  put "$MEMBER" ""
}

replicate() {
  ! state replicated "$1" >/dev/null || return 0
  rabbitmq-queues --quiet grow "rabbit@$1" all >/dev/null
  wait_for "a replica of every quorum queue on $1" "$PATIENCE" state replicated "$1"
}

leave() {
  local peer node
  if is_member; then
    peer=$(state leave) || fail "$NODE cannot leave: $peer"
    if [ -n "$peer" ]; then
      configure
      run_service wiab-epmd
      ! systemctl --quiet is-active "$SERVICE" || known_user
      serve state serves
      for node in $STAYING; do replicate "$node"; done
      wait_for "the other brokers to be able to do without $NODE" "$PATIENCE" state spare
      systemctl --quiet stop "$SERVICE"
      wait_for "$peer to see that $NODE is gone" "$PATIENCE" state gone
      forget "$peer"
    fi
  fi
  drop_timer wiab-rabbitmq-care
  systemctl --quiet disable --now "$SERVICE"
  [ ! -e /etc/systemd/system/wiab-epmd.service ] || systemctl --quiet disable --now wiab-epmd
  rm -rf "$DATA/rabbit@$NODE"* "$MEMBER"
  say "RabbitMQ has left $NODE"
}
