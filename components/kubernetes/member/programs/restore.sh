#!/bin/bash
# Reads a snapshot of etcd from standard input and has this control plane go on from there, as the only member of its
# cluster: the others are made anew and join it (docs/operations.md). What etcd had before stays beside it.
set -euo pipefail

manifests=/etc/kubernetes/manifests
aside=/etc/wiab/kubernetes/stopped-manifests
work=/var/lib/etcd-restore
[ "$(id -u)" = 0 ] || {
  echo "error: only root can do that" >&2
  exit 1
}

# value FLAG: what etcd is started with.
value() { sed -n "s/^ *- --$1=//p" "$aside/etcd.yaml"; }

gone() { [ -z "$(crictl ps --quiet --state running --name '^(etcd|kube-apiserver)$')" ]; }

# wait_for WHAT COMMAND...
wait_for() {
  local what=$1 deadline=$((SECONDS + 600))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || {
      echo "error: gave up after 600 s waiting for $what" >&2
      exit 1
    }
    sleep 1
  done
}

rm -rf "$work"
install -d -m 0700 "$work"
cat >"$work/snapshot"
mkdir -p "$aside"
for name in etcd kube-apiserver; do
  [ ! -e "$manifests/$name.yaml" ] || mv "$manifests/$name.yaml" "$aside/"
done
wait_for "etcd to stop" gone
# Another identity than before: what is left of the former cluster must not take this for one of its own.
/opt/wiab/etcd/etcdutl snapshot restore "$work/snapshot" --data-dir "$work/data" --name "$(value name)" \
  --initial-cluster "$(value name)=$(value initial-advertise-peer-urls)" \
  --initial-advertise-peer-urls "$(value initial-advertise-peer-urls)" --initial-cluster-token "wiab-$(date +%s)" >&2
[ ! -e /var/lib/etcd/member ] || mv /var/lib/etcd/member "/var/lib/etcd/member-before-$(date +%s)"
mv "$work/data/member" /var/lib/etcd/member
rm -rf "$work"
mv "$aside"/*.yaml "$manifests/"
wait_for "the API server" kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz
echo "etcd on $(hostname) goes on from the snapshot" >&2
