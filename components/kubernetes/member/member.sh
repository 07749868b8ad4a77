# A node of the cluster, control plane and worker at the same time: the first one founds it, every other one joins, and
# so does the first one if its machine is made anew. Nobody needs an invitation: the stack makes the cluster's
# authorities and gives them to every control plane, so there are no tokens that run out. What changes on a node that is
# there is in change.sh, how one retires in leave.sh; both stand before this.
: "${VERSION:?of Kubernetes}"
: "${NODE:?its name}"
: "${ADDRESS:?its address}"
: "${PEERS?the other control planes, one line each: name, address}"
: "${FOUNDS:?yes if this node founds the cluster where there is none}"
: "${RETIRING:?yes if this node is to leave the cluster}"
: "${KUBEADM:?program of this version}"
: "${KUBELET:?likewise}"
: "${KUBECTL:?likewise}"
: "${ETCD_TOOLS:?folders that have etcdctl and etcdutl in them, one a line}"
: "${KUBEADM_CONFIG:?its configuration}"
: "${UPGRADE_OPTIONS:?what kubeadm upgrade is told}"
: "${PATCHES?what it changes of its manifests, one line each: pod, patch in JSON}"
: "${KUBELET_CONFIG:?its configuration}"
: "${KUBELET_UNIT:?its systemd unit}"
: "${PKI:?keys and certificates of the authorities, each after a line with the name of its file}"
: "${ADMIN:?kubeconfig of the administrator, who reaches the API by the balancer}"
: "${DISCOVERY:?where kubeadm wants it}"
: "${API_NAMES:?names and addresses that the API is reached by besides the own ones of the node, one a line}"
: "${BACKUP:?program that writes a snapshot of etcd}"
: "${RESTORE:?program that goes on from one}"
: "${RENEW:?program that renews certificates}"
: "${RENEW_UNIT:?its systemd unit}"
: "${RENEW_TIMER:?its systemd timer}"
: "${POD_BRIDGE:?yes if pods are connected by Debian plugins, whose configuration has the addresses of this node}"

KUBERNETES=/etc/kubernetes
LOG=/var/log/wiab-kubeadm.log

apply() {
  one_at_a_time /run/wiab-kubernetes.lock
  trap 'rm -f "$DISCOVERY"' EXIT
  install -m 0600 /dev/stdin "$DISCOVERY" <<<"$ADMIN"
  if [ -e "$MEMBER" ] && [ ! -e "$LEAVING" ]; then
    stay
  elif [ "$RETIRING" = no ]; then
    become
  fi
  if [ "$RETIRING" = yes ]; then
    leave
    return
  fi
  upkeep
  wait_for "the API server of $NODE" 600 ready_at "$ADDRESS"
  say "$NODE runs Kubernetes $(kubelet --version | awk '{ print $2 }')"
}

# The engine knows that there was a cluster: whoever has lost it must not found a second one beside the others.
update() {
  [ -z "$PEERS" ] || FOUNDS=no
  apply
}

become() {
  local peer
  clear_away
  authorities
  programs
  etcd_tools
  put "$OURS/kubelet.yaml" "$KUBELET_CONFIG"
  put /etc/systemd/system/kubelet.service "$KUBELET_UNIT"
  rm -f /run/wiab-kubelet.changed
  systemctl daemon-reload
  systemctl --quiet enable kubelet.service
  put "$OURS/kubeadm.yaml" "$KUBEADM_CONFIG"
  patches
  if peer=$(living_peer); then
    may_join "${peer#* }"
    record_settings "$VERSION"
    forget_former "$peer"
    kubeadm_does "joining the cluster" join --config "$OURS/kubeadm.yaml"
  elif [ "$FOUNDS" = yes ]; then
    kubeadm_does "founding the cluster" init --config "$OURS/kubeadm.yaml" --skip-token-print
  else
    fail "no API server answers at ${PEERS//$'\n'/, }: $NODE cannot join. Where all of them have lost their data, restore a snapshot (docs/operations.md)"
  fi
  [ "$POD_BRIDGE" = no ] || connect_pods
  rm -f "$LEAVING" "$CORDONED"
  is_complete
}

# kubeadm makes a control plane of the version that the cluster has.
may_join() {
  local version
  version=$(recorded_version "$1")
  [ "$version" = "$VERSION" ] ||
    fail "the cluster runs Kubernetes $version and the artifact has $VERSION: $NODE cannot join in the run that changes it. Let it join with the artifact that the cluster was made from, or take the others to $VERSION first"
}

# A node that has joined already gets what has changed.
stay() {
  local version='' known=''
  holds "$KUBERNETES/pki/ca.crt" "$(part ca.crt)"$'\n' ||
    fail "the authority of the cluster on $NODE is not the stack's: it cannot be changed in place"
  allow_version "$VERSION"
  read -r version known <"$MEMBER" || true
  holds "$OURS/kubeadm.yaml" "$KUBEADM_CONFIG" || put "$OURS/kubeadm.yaml" "$KUBEADM_CONFIG"
  patches
  etcd_tools
  [ "$known" = "$(settings)" ] || change
  # Whichever version it has become by now: a run may have been killed after that.
  [ "$version" = "$VERSION" ] || drain
  programs
  service_file kubelet "$OURS/kubelet.yaml" "$KUBELET_CONFIG"
  service_file kubelet /etc/systemd/system/kubelet.service "$KUBELET_UNIT"
  run_service kubelet
  api_names
  [ "$POD_BRIDGE" = no ] || connect_pods
  [ "$version" = "$VERSION" ] || wait_for "kubelet $VERSION on $NODE" 600 kubelet_is_ready
  serve
  # kubeadm keeps a copy of all that it has replaced, the data of etcd among it.
  rm -rf "$KUBERNETES/tmp"
  is_complete
}

# What the control plane is made by.
settings() { printf '%s\n' "$VERSION" "$KUBEADM_CONFIG" "$PATCHES" | sha256sum | cut -d ' ' -f 1; }

is_complete() {
  put "$MEMBER" "$VERSION $(settings)"$'\n'
  rm -f "$CHANGE"
}

# What runs by itself or by request later on, and what an administrator types.
upkeep() {
  # sudo keeps root's own folder: kubectl looks there first.
  mkdir -p /root/.kube
  [ -e /root/.kube/config ] || ln -sfn "$KUBERNETES/admin.conf" /root/.kube/config
  keep /opt/wiab/etcd/backup "$BACKUP" 0755
  keep /opt/wiab/etcd/restore "$RESTORE" 0755
  keep /opt/wiab/kubernetes/renew "$RENEW" 0755
  keep /etc/systemd/system/wiab-kubernetes-renew.service "$RENEW_UNIT"
  keep /etc/systemd/system/wiab-kubernetes-renew.timer "$RENEW_TIMER"
  systemctl daemon-reload
  systemctl --quiet enable wiab-kubernetes-renew.timer
  systemctl start wiab-kubernetes-renew.timer
}

# keep FILE TEXT [MODE]: puts a file that is not there as it should be.
keep() { holds "$1" "$2" || put "$@"; }

# The certificate of the API server has to name whatever it is reached by, also what was configured later.
api_names() {
  local name kind crt=$KUBERNETES/pki/apiserver.crt
  while read -r name; do
    kind=host
    [[ ! $name =~ ^[0-9.]+$ ]] || kind=ip
    # openssl tells by words alone.
    [[ $(openssl x509 -noout "-check$kind" "$name" -in "$crt") == *"does match"* ]] && continue
    say "the API server of $NODE is to be known as $name"
    rm -f "$crt" "${crt%.crt}.key"
    kubeadm_does "being certified" init phase certs apiserver --config "$OURS/kubeadm.yaml"
    crictl ps --quiet --name '^kube-apiserver$' | xargs --no-run-if-empty crictl stop --timeout 30 >/dev/null
    return
  done <<<"$API_NAMES"
}

programs() {
  local program
  for program in "$KUBEADM" "$KUBELET" "$KUBECTL"; do
    [ "$(readlink "/usr/local/bin/${program##*/}")" = "$program" ] && continue
    ln -sfn "$program" "/usr/local/bin/${program##*/}"
    [ "$program" != "$KUBELET" ] || touch /run/wiab-kubelet.changed
  done
}

etcd_tools() {
  local tool file
  mkdir -p /opt/wiab/etcd
  for tool in etcdctl etcdutl; do
    file=$(xargs -I '{}' find '{}' -type f -name "$tool" <<<"$ETCD_TOOLS")
    [ -n "$file" ] || fail "there is no $tool in what was installed on $NODE"
    [ "$(readlink "/opt/wiab/etcd/$tool")" = "$file" ] || ln -sfn "$file" "/opt/wiab/etcd/$tool"
  done
}

patches() {
  local pod patch
  rm -rf "$OURS/patches"
  mkdir -p "$OURS/patches"
  while read -r pod patch; do
    [ -z "$pod" ] || put "$OURS/patches/$pod+strategic.json" "$patch"
  done <<<"$PATCHES"
}

# part FILE: what PKI has of that name.
part() { awk -v file="$1" '/^[^ ]+:$/ { on = $0 == file ":"; next } on' <<<"$PKI"; }

authorities() {
  local file mode
  while read -r file; do
    mode=0644
    [[ $file != *.key ]] || mode=0600
    put "$KUBERNETES/pki/$file" "$(part "$file")"$'\n' "$mode"
  done < <(sed -n 's/^\([^ ]*\):$/\1/p' <<<"$PKI")
}

# What a run that was killed has left, or a machine that was a node of another cluster. Whether the others know this
# node as a member is their part, see forget_former.
clear_away() {
  is_left_over || return 0
  say "an earlier run has left $NODE unfinished; beginning anew"
  wipe
}

is_left_over() { [ -e "$KUBERNETES/manifests" ] || [ -e "$KUBERNETES/kubelet.conf" ] || [ -e /var/lib/etcd/member ]; }

wipe() {
  "$KUBEADM" reset --force --skip-phases preflight,remove-etcd-member >>"$LOG" 2>&1 || true
  wait_for "the containers of $NODE to be gone" 120 no_control_plane
  rm -rf /var/lib/etcd/member "$KUBERNETES"/*.conf "$KUBERNETES/manifests" "$KUBERNETES/pki" /etc/cni/net.d/10-wiab.conflist
}

no_control_plane() { [ -z "$(crictl ps --quiet --label io.kubernetes.pod.namespace=kube-system --name 'etcd|kube-apiserver')" ]; }

# at ADDRESS COMMAND...: kubectl as administrator, at the API server of that machine alone.
at() { "$KUBECTL" --kubeconfig "$DISCOVERY" --server "https://$1:6443" --request-timeout 10s "${@:2}"; }

ready_at() { at "$1" get --raw /readyz; }

# Prints name and address of the first other control plane that answers. They may be busy with the same change.
living_peer() {
  local name address
  while read -r name address; do
    [ -z "$address" ] || ! ready_at "$address" >/dev/null 2>&1 || {
      say "$name $address"
      return
    }
  done <<<"$PEERS"
  return 1
}

# forget_former "NAME ADDRESS": has that control plane take away what is left of this node's former self: a member of
# etcd that will never answer again counts for the majority, and its identity must not be taken up with empty hands.
forget_former() {
  local address=${1#* } members id
  # Certified by the authority that both have.
  kubeadm_does "being certified for etcd" init phase certs etcd-healthcheck-client --config "$OURS/kubeadm.yaml"
  members=$(etcdctl_at "$address" member list) || fail "etcd on ${1% *} does not answer: $NODE cannot join"
  id=$(awk -F ', ' -v url="https://$ADDRESS:2380" '$4 == url { print $1 }' <<<"$members")
  if [ -n "$id" ]; then
    etcdctl_at "$address" member remove "$id" >/dev/null
    say "etcd has forgotten the former $NODE"
  fi
  at "$address" delete node "$NODE" --ignore-not-found --timeout 60s >/dev/null
}

etcdctl_at() {
  local pki=$KUBERNETES/pki/etcd
  /opt/wiab/etcd/etcdctl --endpoints "https://$1:2379" --command-timeout 60s --cacert "$pki/ca.crt" \
    --cert "$pki/healthcheck-client.crt" --key "$pki/healthcheck-client.key" "${@:2}"
}

# kubeadm_does WHAT ARGUMENTS...: what it says is of interest only if it fails.
kubeadm_does() {
  local what=$1
  shift
  say "$NODE is $what"
  [ -e "$LOG" ] || install -m 0600 /dev/null "$LOG"
  "$KUBEADM" "$@" >>"$LOG" 2>&1 || {
    tail -n 40 "$LOG" >&2
    journalctl --no-pager --lines 20 --unit kubelet >&2 || true
    fail "$what did not work on $NODE; $LOG has all of it"
  }
}

# The bridge of this node, with the addresses that the cluster has given it.
connect_pods() {
  local cidr config
  wait_for "the pod addresses of $NODE" 120 has_addresses
  cidr=$(at "$ADDRESS" get node "$NODE" --output 'jsonpath={.spec.podCIDR}')
  config=$(
    cat <<END
{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": { "type": "host-local", "ranges": [[{ "subnet": "$cidr" }]], "routes": [{ "dst": "0.0.0.0/0" }] }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
END
  )
  holds /etc/cni/net.d/10-wiab.conflist "$config" || put /etc/cni/net.d/10-wiab.conflist "$config"
}

has_addresses() { [ -n "$(at "$ADDRESS" get node "$NODE" --output 'jsonpath={.spec.podCIDR}')" ]; }
