# The cluster as a whole: it gets what it shall have, and whatever has been changed by hand back.
: "${NODE:?name of this node}"
: "${VERSION:?of the brokers}"
: "${MEMBERS:?names of the nodes that are to be in the cluster}"
: "${DEFINITIONS:?what it shall have}"

apply() {
  local there lost
  wait_for "the broker on $NODE" 900 serves
  there=$(rabbitmqctl --quiet export_definitions -)
  lost=$(/opt/wiab/rabbitmq/definitions changed <<<"$there")
  if [ -n "$lost" ]; then
    rabbitmqctl --quiet import_definitions <<<"$DEFINITIONS"
    say "put in order: ${lost//$'\n'/, }"
  fi
  if [ -n "$(/opt/wiab/rabbitmq/definitions foreign <<<"$there")" ]; then
    rabbitmqctl --quiet delete_user guest
    say "removed the user guest"
  fi
  wait_for "a healthy cluster" 900 /opt/wiab/rabbitmq/health
  # An upgrade to the next series asks for all of this one's.
  rabbitmqctl --quiet enable_feature_flag all
  say "RabbitMQ $VERSION on $MEMBERS: $(/opt/wiab/rabbitmq/health)"
}

# One that refuses the user serves as well: the user may be what is to be put in order.
serves() {
  local answer
  answer=$(/opt/wiab/rabbitmq/state serves) || [ $? = 4 ] || {
    say "$answer"
    return 1
  }
}
