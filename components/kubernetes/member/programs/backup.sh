#!/bin/bash
# Writes a snapshot of etcd, which holds all that the cluster knows, to standard output. Any control plane has all of it.
set -euo pipefail

directory=$(mktemp --directory /var/lib/etcd-snapshot.XXXXXX)
trap 'rm -rf "$directory"' EXIT
pki=/etc/kubernetes/pki/etcd
/opt/wiab/etcd/etcdctl --endpoints https://127.0.0.1:2379 --cacert $pki/ca.crt --cert $pki/healthcheck-client.crt \
  --key $pki/healthcheck-client.key snapshot save "$directory/snapshot" >&2
cat "$directory/snapshot"
