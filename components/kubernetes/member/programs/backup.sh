#!/bin/bash
# Writes a snapshot of etcd, which holds all that the cluster knows, to standard output. Any control plane has all of it.
set -euo pipefail

id=$(crictl ps --quiet --state running --name '^etcd$')
[ -n "$id" ] || {
  echo "error: etcd does not run on $(hostname)" >&2
  exit 1
}
# The only folder that etcd can write to.
file=/var/lib/etcd/wiab-snapshot
trap 'rm -f "$file"' EXIT
pki=/etc/kubernetes/pki/etcd
crictl exec "$id" etcdctl --endpoints https://127.0.0.1:2379 --cacert $pki/ca.crt --cert $pki/server.crt \
  --key $pki/server.key snapshot save "$file" >&2
cat "$file"
