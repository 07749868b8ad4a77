#!/bin/bash
# Renews what kubeadm has certified on this node, three months before it runs out, and has everybody read it anew.
# --now does so in any case. --at-start is for a node that comes back after any time: before kubelet starts it renews what
# nobody uses yet, and kubelet's own certificates if they have run out, for no API server would let it ask for others then.
set -euo pipefail

admin=/etc/kubernetes/admin.conf
pki=/etc/kubernetes/pki
kubelet=/var/lib/kubelet/pki

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

# lasts SECONDS FILE: whether a certificate is good for so long.
lasts() { openssl x509 -noout -checkend "$1" -in "$2" >/dev/null; }

renew_all() { kubeadm certs renew all --config /etc/wiab/kubernetes/kubeadm.yaml >/dev/null; }

running() { crictl ps --quiet --state running --name "^$1\$"; }

# kubelet's own, as the cluster would give it. What it serves with it signs itself, but only where there is none.
renew_kubelet() {
  local subject folder
  subject=$(openssl x509 -noout -subject -nameopt compat -in $kubelet/kubelet-client-current.pem)
  folder=$(mktemp -d)
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "${subject#subject=}" \
    -keyout "$folder/key" -out "$folder/request" 2>/dev/null
  openssl x509 -req -in "$folder/request" -CA $pki/ca.crt -CAkey $pki/ca.key -days 365 -out "$folder/certificate" \
    -set_serial "0x$(openssl rand -hex 16)" \
    -extfile <(printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n') 2>/dev/null
  install -m 0600 <(cat "$folder/certificate" "$folder/key") $kubelet/kubelet-client-renewed.pem
  rm -r "$folder"
  ln -sfn kubelet-client-renewed.pem $kubelet/kubelet-client-current.pem
  rm -f $kubelet/kubelet.crt $kubelet/kubelet.key
  echo "kubelet's certificate had run out; it has another one"
}

if [ "${1:-}" = --at-start ]; then
  # A node that has not joined has nothing.
  [ -e $pki/ca.key ] || exit 0
  # What runs would go on with what it has read, and the timer would find nothing to do.
  if ! lasts $((90 * 24 * 3600)) $pki/apiserver.crt && [ -z "$(running kube-apiserver)" ]; then
    renew_all
    echo "the certificates of $(hostname) are good for another year"
  fi
  if [ -e $kubelet/kubelet-client-current.pem ] && ! lasts 3600 $kubelet/kubelet-client-current.pem; then
    renew_kubelet
  fi
  exit 0
fi

[ "${1:-}" = --now ] || ! lasts $((90 * 24 * 3600)) $pki/apiserver.crt || exit 0
ADDRESS=$(sed -n 's/^ *- --advertise-address=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
renew_all
# kubelet starts them again at once. It renews its own by itself.
for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  id=$(running "$name")
  [ -z "$id" ] || crictl stop --timeout 30 "$id" >/dev/null
  until_ready "$name"
done
echo "the certificates of $(hostname) are good for another year"
