# How a control plane that is there comes to another version or to other settings, and gives up its place for a while.
: "${VERSION:?of Kubernetes}" "${ADDRESS:?of the node}"

# There as long as this script, and nobody else, has taken the node out of service.
CORDONED=$OURS/cordoned

# change: brings the pods of the control plane to VERSION, KUBEADM_CONFIG and PATCHES. A run that is killed in it leaves
# CHANGE behind, and the next one goes on: kubeadm leaves alone what is as it should be.
change() {
  local recorded
  put "$CHANGE" "$VERSION"
  mend
  wait_for "the API server of $NODE" 600 ready_at "$ADDRESS"
  wait_for "all other nodes to be healthy, before $NODE is changed" 300 others_are_healthy
  recorded=$(recorded_version "$ADDRESS")
  record_settings "$recorded"
  # The first node takes the cluster along, every other one follows.
  # shellcheck disable=SC2086 # words
  if [ "$recorded" = "$VERSION" ]; then
    kubeadm_does "changing its control plane" upgrade node $UPGRADE_OPTIONS
  else
    kubeadm_does "taking the cluster from $recorded to $VERSION" upgrade apply "$VERSION" --yes $UPGRADE_OPTIONS
  fi
  # etcd comes last and takes the API server along.
  wait_for "the API server of $NODE again" 600 ready_at "$ADDRESS"
}

# kubeadm moves a manifest away before it puts the next one there. If it was killed in between, the pod is gone.
mend() {
  local name former
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    [ ! -e "$KUBERNETES/manifests/$name.yaml" ] || continue
    # Their folders are named after the time.
    former=$(find "$KUBERNETES/tmp" -path "*/kubeadm-backup-manifests*/$name.yaml" | sort | tail -n 1) || true
    [ -n "$former" ] || fail "$NODE has no manifest of $name, and kubeadm has kept none: have it join anew (docs/operations.md)"
    say "$name of $NODE gets back the manifest that an earlier run has taken away"
    cp "$former" "$KUBERNETES/manifests/$name.yaml"
  done
}

# Every other node is ready and so is its API server: this one's goes for a while.
others_are_healthy() {
  local states name state address
  states=$(at "$ADDRESS" get nodes --output \
    'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}') || return 1
  while read -r name state; do
    [ "$name" = "$NODE" ] || [ "$state" = True ] || {
      say "$name is not ready"
      return 1
    }
  done <<<"$states"
  while read -r name address; do
    # One that has not joined yet, or has retired, is nobody's concern.
    grep -q "^$name " <<<"$states" || continue
    ready_at "$address" >/dev/null || {
      say "the API server of $name is not ready"
      return 1
    }
  done <<<"$PEERS"
}

# recorded_version ADDRESS: what kubeadm has written down in the cluster.
recorded_version() {
  at "$1" --namespace kube-system get configmap kubeadm-config --output 'jsonpath={.data.ClusterConfiguration}' |
    sed -n 's/^kubernetesVersion: //p'
}

# record_settings VERSION: kubeadm takes what it makes of a control plane, the images of etcd and DNS among it, from
# what is written down in the cluster. The version there stays until the first node has reached another.
record_settings() {
  local file=$OURS/recorded.yaml
  put "$file" "${KUBEADM_CONFIG/kubernetesVersion: $VERSION/kubernetesVersion: $1}"
  kubeadm_does "writing the settings down" init phase upload-config kubeadm --kubeconfig "$DISCOVERY" --config "$file"
  rm "$file"
}

# Has the pods of this node go to the others.
drain() {
  local nodes
  nodes=$(at "$ADDRESS" get nodes --output name | wc -l)
  [ "$nodes" -gt 1 ] || {
    say "$NODE is the only node: its pods stay, for there is nowhere to go"
    return 0
  }
  [ "$(at "$ADDRESS" get node "$NODE" --output 'jsonpath={.spec.unschedulable}')" = true ] || put "$CORDONED" ""
  say "the pods of $NODE are going to the others"
  "$KUBECTL" --kubeconfig "$DISCOVERY" drain "$NODE" --ignore-daemonsets --delete-emptydir-data --timeout 600s >>"$LOG" 2>&1 || {
    tail -n 20 "$LOG" >&2
    fail "not all pods of $NODE have gone within 600 s: it takes no new ones until a later run comes to its end"
  }
}

# Takes pods again, unless it was others who had said that it should not.
serve() {
  [ -e "$CORDONED" ] || return 0
  at "$ADDRESS" uncordon "$NODE" >/dev/null
  rm "$CORDONED"
}

# Whether the kubelet of VERSION says that its node is ready.
kubelet_is_ready() {
  local state
  state=$(at "$ADDRESS" get node "$NODE" --output \
    'jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}')
  [ "$state" = "$VERSION True" ] || {
    say "kubelet and whether it is ready: $state"
    return 1
  }
}
