# What a cluster needs besides its nodes: the network between pods, names, volumes. Runs on a control plane.
: "${OBJECTS:?what is applied, as a list of Kubernetes in JSON}"
: "${CALICO?URL and checksum of an archive with the manifests of Calico; empty where OBJECTS has the network}"
: "${VERSION:?of Kubernetes; kubeadm brings what belongs to it once the last node has it}"
: "${NODES:?names of all nodes that stay, one a line}"
: "${ZONES?one line each: node, zone; empty where there are none}"
: "${MARKS?one line each: node, label or annotate, key, value}"

export KUBECONFIG=/etc/kubernetes/admin.conf

apply() {
  local node
  wait_for "the API" 120 kubectl get --raw /readyz
  [ -z "$CALICO" ] || calico
  wait_for "the API to take what the cluster needs" 900 give_objects
  wait_for "the API to take the nodes' labels" 300 mark
  while read -r node; do
    wait_for "$node to be ready" 600 ready "$node"
  done <<<"$NODES"
  wait_for "kube-proxy $VERSION on every node" 600 proxies
  wait_for "the DNS of the cluster" 600 kubectl --namespace kube-system rollout status deployment/coredns --timeout 5s
  wait_for "the API to describe its types" 900 described
  say "$(wc -l <<<"$NODES") nodes are ready with Kubernetes $VERSION"
}

# All of it is ours, whoever else has touched it. The server judges it by itself: to ask it for the descriptions of all
# its types takes a slow machine longer than kubectl waits.
give_objects() { kubectl apply --server-side --force-conflicts --validate=ignore --filename - <<<"$OBJECTS"; }

# The first answer to this question takes an API server a second, and a slow machine longer than Pulumi's provider waits.
described() {
  local pki=/etc/kubernetes/pki
  local kind='application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
  printf 'GET /openapi/v2 HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\nConnection: close\r\n\r\n' "$kind" |
    timeout 600 openssl s_client -quiet -connect 127.0.0.1:6443 -CAfile "$pki/ca.crt" \
      -cert "$pki/apiserver-kubelet-client.crt" -key "$pki/apiserver-kubelet-client.key" 2>/dev/null |
    { head -n 1 | grep --quiet ' 200 ' && cat >/dev/null; }
}

ready() { [ "$(kubectl get node "$1" --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }

proxies() {
  local image
  image=$(kubectl --namespace kube-system get daemonset kube-proxy --output 'jsonpath={.spec.template.spec.containers[0].image}') || return 1
  [ "${image##*:}" = "$VERSION" ] || {
    say "the cluster wants $image"
    return 1
  }
  kubectl --namespace kube-system rollout status daemonset/kube-proxy --timeout 5s
}

# Labels and annotations under our keys are where MARKS has them, and nowhere else. Who waits for it has switched off that
# a failure ends the script, so each says so itself.
mark() {
  local node verb key value other
  while read -r node value; do
    [ -n "$node" ] || continue
    kubectl label --overwrite node "$node" "topology.kubernetes.io/zone${value:+=}${value:--}" >/dev/null || return 1
  done <<<"$ZONES"
  while read -r node verb key value; do
    [ -n "$node" ] || continue
    while read -r other; do
      [ "$other" = "$node" ] || kubectl "$verb" node "$other" "$key-" >/dev/null || return 1
    done <<<"$NODES"
    kubectl "$verb" --overwrite node "$node" "$key=$value" >/dev/null || return 1
  done <<<"$MARKS"
}

# Its manifests are in the archive of its source. Their images come under other registries' names than the artifact's:
# the mirror stands in for all of them. The pods' addresses it takes from kubeadm's configuration.
calico() {
  local directory
  directory=$(mktemp --directory)
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$directory'" EXIT
  fetch_asset "${CALICO% *}" "${CALICO#* }" "$directory/archive"
  tar --extract --gzip --file "$directory/archive" --directory "$directory" --strip-components 1 --wildcards '*/manifests/calico.yaml'
  kubectl apply --server-side --force-conflicts --filename "$directory/manifests/calico.yaml" >/dev/null
}
