#!/bin/bash
# Writes what the cluster is made of to standard output: users with the hashes of their passwords, virtual hosts,
# permissions, policies, queues, exchanges and bindings. Messages are not in it: they are on their way, and replicated.
# Exit code 3 if another node is the one to do it.
set -euo pipefail
/opt/wiab/rabbitmq/state first >/dev/null || {
  [ $? != 3 ] || exit 3
  echo "error: $(/opt/wiab/rabbitmq/state first || true)" >&2
  exit 1
}
definitions=$(rabbitmqctl --quiet export_definitions -)
/opt/wiab/rabbitmq/definitions restorable <<<"$definitions" >/dev/null
printf '%s\n' "$definitions"
