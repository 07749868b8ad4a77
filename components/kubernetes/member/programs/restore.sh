#!/bin/bash
# Reads a snapshot of etcd from standard input and has this control plane go on from there, as the only member of its
# cluster: the others have been reset before, and join it afterwards (docs/operations.md). What etcd had stays beside it.
set -euo pipefail

manifests=/etc/kubernetes/manifests
aside=/etc/wiab/kubernetes/stopped-manifests
work=/var/lib/etcd-restore
pods=(etcd kube-apiserver kube-controller-manager kube-scheduler)

fail() {
  echo "error: $*" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || fail "only root can do that"

# wait_for WHAT COMMAND...
wait_for() {
  local what=$1 deadline=$((SECONDS + 600))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "gave up after 600 s waiting for $what"
    sleep 1
  done
}

# Where a run that was killed has left it.
etcd=$manifests/etcd.yaml
[ -e "$etcd" ] || etcd=$aside/etcd.yaml
[ -e "$etcd" ] || fail "$(hostname) is no control plane: there is no $manifests/etcd.yaml"

# value FLAG: what etcd is started with.
value() { sed -n "s/^ *- --$1=//p" "$etcd"; }

name=$(value name)
peer=$(value initial-advertise-peer-urls)
address=${peer#https://}
address=${address%:*}

# They would go on with what they have, as another cluster beside this one.
others=''
while read -r node other; do
  ! timeout 5 bash -c "</dev/tcp/$other/2379" 2>/dev/null || others+="${others:+, }$node"
done < <(awk -v own="$name" '$1 == "server" && $2 != own { sub(":.*", "", $3); print $2, $3 }' /etc/wiab/kubernetes/balancer.cfg)
[ -z "$others" ] || fail "etcd still runs on $others: reset these nodes first (docs/operations.md)"

# A snapshot that is broken stops nobody. Another identity than before: what is left of the former cluster must not take
# this for one of its own.
rm -rf "$work"
install -d -m 0700 "$work"
cat >"$work/snapshot"
options=()
# What the API servers' clients have seen since then they must not take for the future.
! /opt/wiab/etcd/etcdutl snapshot restore --help | grep -q -- --bump-revision ||
  options=(--bump-revision 1000000000 --mark-compacted)
/opt/wiab/etcd/etcdutl snapshot restore "$work/snapshot" --data-dir "$work/data" --name "$name" \
  --initial-cluster "$name=$peer" --initial-advertise-peer-urls "$peer" \
  --initial-cluster-token "wiab-$(date +%s)" "${options[@]}" >&2

gone() { [ -z "$(crictl ps --quiet --state running --label io.kubernetes.pod.namespace=kube-system --name "^($(IFS='|' && echo "${pods[*]}"))$")" ]; }

mkdir -p "$aside"
for pod in "${pods[@]}"; do
  [ ! -e "$manifests/$pod.yaml" ] || mv "$manifests/$pod.yaml" "$aside/"
done
wait_for "the control plane to stop" gone
[ ! -e /var/lib/etcd/member ] || mv /var/lib/etcd/member "/var/lib/etcd-before-$(date +%s)"
mv "$work/data/member" /var/lib/etcd/member
rm -rf "$work"
mv "$aside"/*.yaml "$manifests/"
# It knows its pods as they were later on.
systemctl restart kubelet
wait_for "the API server" kubectl --kubeconfig /etc/kubernetes/admin.conf --server "https://$address:6443" get --raw /readyz
echo "etcd on $(hostname) goes on from the snapshot" >&2
