# How a node retires.

# There once a node has begun to leave: it does not serve any more.
LEAVING=$OURS/leaving

# leave: gives pods to the others, has etcd and the API forget this node, and takes away what it had.
leave() {
  local peer
  if [ -e "$MEMBER" ]; then
    peer=$(living_peer) || fail "no other API server answers: $NODE has the last copy of what the cluster knows, and cannot retire"
    if [ ! -e "$LEAVING" ]; then
      nobody_has_claimed "${peer#* }"
      wait_for "all other nodes to be healthy, before $NODE retires" 300 others_are_healthy
      drain
      put "$LEAVING" ""
    fi
    # It would come back to a cluster that it was taken from.
    systemctl --quiet disable --now kubelet.service
    authorities
    forget_former "$peer"
    volumes_here "${peer#* }" | awk '{ print $1 }' |
      xargs --no-run-if-empty "$KUBECTL" --kubeconfig "$DISCOVERY" --server "https://${peer#* }:6443" delete persistentvolume --ignore-not-found --timeout 60s >/dev/null
    rm "$MEMBER"
  fi
  ! is_left_over || wipe
  [ ! -e /etc/systemd/system/wiab-kubernetes-renew.timer ] || systemctl --quiet disable --now wiab-kubernetes-renew.timer
  [ "$(readlink /root/.kube/config)" != "$KUBERNETES/admin.conf" ] || rm /root/.kube/config
  rm -f "$LEAVING" "$CORDONED" "$CHANGE"
  say "$NODE is no node of the cluster any more"
}

# A volume is a folder on this machine: pods that have one cannot go elsewhere with it.
nobody_has_claimed() {
  local claimed
  claimed=$(volumes_here "$1" | awk '$2 == "Bound" { printf "%s%s (%s)", separator, $1, $3; separator = ", " }')
  [ -z "$claimed" ] || fail "volumes on $NODE are in use, and what is in them cannot move: $claimed. Save it, delete the claims, and run again"
}

# volumes_here ADDRESS: one line each: name, phase, claim.
volumes_here() {
  local volumes
  volumes=$(at "$1" get persistentvolumes --output 'jsonpath={range .items[*]}{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]} {.metadata.name} {.status.phase} {.spec.claimRef.namespace}/{.spec.claimRef.name}{"\n"}{end}') || return 1
  awk -v node="$NODE" '$1 == node { print $2, $3, $4 }' <<<"$volumes"
}
