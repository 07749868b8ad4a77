# Has the API server of this control plane write secrets encrypted, once all of them can read that, and the last one to do so
# write all secrets anew.
: "${FOLDER:?of the files}"
: "${ENCRYPTION:?configuration that writes with the key}"
: "${NODE:?its name}"
: "${ADDRESS:?its address}"
: "${LAST:?yes on the node whose turn comes last}"

export KUBECONFIG=/etc/kubernetes/admin.conf
PREFIX=k8s:enc:secretbox:v1:stack:

apply() {
  holds "$FOLDER/encryption.yaml" "$ENCRYPTION" || put "$FOLDER/encryption.yaml" "$ENCRYPTION" 0600
  # It reads the file again within a minute.
  wait_for "the API server of $NODE to encrypt what it writes" 300 encrypts
  kubectl --namespace kube-system delete secret "$(probe)" --ignore-not-found >/dev/null
  [ "$LAST" = no ] || wait_for "all secrets to be encrypted in etcd" 600 all_encrypted
  say "the API server of $NODE encrypts secrets in etcd"
}

probe() { echo "wiab-encryption-$NODE"; }

encrypts() {
  local at=(kubectl --server "https://$ADDRESS:6443" --namespace kube-system)
  "${at[@]}" create secret generic "$(probe)" --from-literal "at=$(date +%s%N)" --dry-run=client --output yaml |
    "${at[@]}" apply --server-side --force-conflicts --filename - || return 1
  encrypted "/registry/secrets/kube-system/$(probe)"
}

# Those that somebody has written meanwhile are refused, and encrypted already; those that are plain still come up again.
all_encrypted() {
  local keys key plain=0
  keys=$(in_etcd get /registry/secrets/ --prefix --keys-only) || return 1
  while read -r key; do
    [ -z "$key" ] || encrypted "$key" || plain=$((plain + 1))
  done <<<"$keys"
  [ "$plain" -gt 0 ] || return 0
  say "$plain secrets are not encrypted yet"
  kubectl get secrets --all-namespaces --output json | kubectl replace --filename - || true
  return 1
}

# encrypted KEY: a key that is gone again is nobody's concern.
encrypted() {
  local value
  value=$(in_etcd get "$1" --print-value-only | tr -d '\0') || return 1
  [ -z "$value" ] || [[ $value == "$PREFIX"* ]]
}

in_etcd() {
  local pki=/etc/kubernetes/pki/etcd
  /opt/wiab/etcd/etcdctl --endpoints https://127.0.0.1:2379 --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
    --key "$pki/healthcheck-client.key" "$@"
}
