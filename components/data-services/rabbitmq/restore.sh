#!/bin/bash
# Reads what backup has written from standard input and gives it to the cluster. What is there besides stays.
set -euo pipefail
definitions=$(cat)
content=$(/opt/wiab/rabbitmq/definitions restorable <<<"$definitions")
echo "replacing in the running cluster, where they exist, and adding: $content" >&2
rabbitmqctl --quiet import_definitions <<<"$definitions"
# The password of Wire's services may be newer than the backup.
rabbitmqctl --quiet import_definitions </etc/wiab/rabbitmq/definitions.json
/opt/wiab/rabbitmq/health >&2
