#!/bin/bash
# Writes numbered records to the API of Kubernetes, by way of the node's own balancer as everything on it does, until
# a line comes on standard input or its end; then reads back what was acknowledged and prints a report like that of
# `conformance write`. Runs as root on a node.
set -euo pipefail

NAMESPACE=wiab-faults

ask() { kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace "$NAMESPACE" --request-timeout 5s "$@"; }

now() { date +%s%3N; }

# Whether to end; a record takes longer than this waits.
told() {
  local status=0
  read -r -t 0.05 _ || status=$?
  # Above that it was the time that ran out.
  [ "$status" -le 128 ]
}

ask delete namespace "$NAMESPACE" --ignore-not-found --timeout 120s >/dev/null
ask create namespace "$NAMESPACE" >/dev/null
number=1 failures=0 longest=0 at='' error='' last=$(now)
until told; do
  if answer=$(ask create configmap "record-$number" 2>&1) || [[ $answer == *"already exists"* ]]; then
    time=$(now)
    if [ $((time - last)) -gt "$longest" ]; then
      longest=$((time - last))
      at=$(date --date "@$((last / 1000))" --iso-8601=seconds)
    fi
    last=$time
    [ "$number" -gt 1 ] || echo "record 1 acknowledged" >&2
    number=$((number + 1))
  else
    failures=$((failures + 1)) error=$answer
  fi
done
records=$(ask get configmaps --output name --request-timeout 60s | sed -n 's|^configmap/record-||p' | sort -n)
missing=$(comm -23 <(seq $((number - 1)) | sort) <(sort <<<"$records") | wc -l)
ask delete namespace "$NAMESPACE" --wait=false >/dev/null
python3 - "$((number - 1))" "$failures" "$longest" "$at" "$missing" "$error" <<'PYTHON'
import json
import sys

acknowledged, failures, longest, at, missing, error = sys.argv[1:]
print(json.dumps({
    "service": "kubernetes",
    "acknowledged": int(acknowledged),
    "failures": int(failures),
    "longestPause": {"at": at, "milliseconds": int(longest)},
    "missingCount": int(missing),
    "error": "",
    "errors": [error] if error else [],
}))
PYTHON
