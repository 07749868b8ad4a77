#!/bin/bash
# Renews what kubeadm has certified on this node, three months before it runs out, and has everybody read it anew.
set -euo pipefail

admin=/etc/kubernetes/admin.conf

# until_ready: the API server of this node, within five minutes.
until_ready() {
  local deadline=$((SECONDS + 300))
  until kubectl --kubeconfig $admin --server "https://$ADDRESS:6443" get --raw /readyz >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || {
      echo "error: the API server of $(hostname) is not ready five minutes after $1 has new certificates" >&2
      exit 1
    }
    sleep 1
  done
}

[ "${1:-}" = --now ] || ! openssl x509 -noout -checkend $((90 * 24 * 3600)) -in /etc/kubernetes/pki/apiserver.crt >/dev/null ||
  exit 0
ADDRESS=$(sed -n 's/^ *- --advertise-address=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
kubeadm certs renew all --config /etc/wiab/kubernetes/kubeadm.yaml >/dev/null
# kubelet starts them again at once. It renews its own by itself.
for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  id=$(crictl ps --quiet --state running --name "^$name\$")
  [ -z "$id" ] || crictl stop --timeout 30 "$id" >/dev/null
  until_ready "$name"
done
echo "the certificates of $(hostname) are good for another year"
