# What a machine needs before it can be a Kubernetes node; nothing of it disturbs a node that is one already.
: "${KUBEADM:?kubeadm of this version}"
: "${KUBEADM_CONFIG:?its configuration}"
: "${CNI_PLUGINS:?folder with the plugins that connect pods}"
: "${BALANCER_CONFIG:?haproxy.cfg}"
: "${BALANCER_UNIT:?its systemd unit}"
: "${VOLUMES?paths of the folders that become volumes, one a line}"
: "${IMAGE_IDS?images of Kubernetes that the artifact has: reference and identifier, one a line}"

apply() {
  local volume
  kernel
  plugins
  # kubelet looks for name servers here; what systemd-resolved writes for programs on the machine is of no use in a pod.
  resolv=/etc/resolv.conf
  [ -e "$resolv" ] || : >"$resolv"
  [ ! -e /run/systemd/resolve/resolv.conf ] || resolv=/run/systemd/resolve/resolv.conf
  mkdir -p /etc/wiab/kubernetes
  ln -sfn "$resolv" /etc/wiab/kubernetes/resolv.conf
  service_file wiab-api-balancer /etc/wiab/kubernetes/balancer.cfg "$BALANCER_CONFIG"
  service_file wiab-api-balancer /etc/systemd/system/wiab-api-balancer.service "$BALANCER_UNIT"
  run_service wiab-api-balancer
  while read -r volume; do
    [ -z "$volume" ] || mkdir -p "$volume"
  done <<<"$VOLUMES"
  # Half of what a node needs to come up: all nodes do it at the same time, and join one after another.
  pull_images
  say "$(hostname) can become a node"
}

kernel() {
  local modules=$'overlay\nbr_netfilter\n' settings
  # The limits of inotify: every pod with a log that is followed takes some.
  settings="net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
"
  holds /etc/modules-load.d/wiab-kubernetes.conf "$modules" || put /etc/modules-load.d/wiab-kubernetes.conf "$modules"
  modprobe --all overlay br_netfilter || fail "the kernel of $(hostname) has no overlay or br_netfilter"
  holds /etc/sysctl.d/90-wiab-kubernetes.conf "$settings" || put /etc/sysctl.d/90-wiab-kubernetes.conf "$settings"
  sysctl --quiet --load /etc/sysctl.d/90-wiab-kubernetes.conf
  # kubelet refuses to start where memory may be swapped out.
  swapoff --all
  sed -i -E '/^[^#]\S*\s+\S+\s+swap\s/ s/^/#/' /etc/fstab
}

# Where both containerd and Calico look for them.
plugins() {
  local plugin
  mkdir -p /opt/cni/bin
  for plugin in "$CNI_PLUGINS"/*; do
    [ -e "/opt/cni/bin/${plugin##*/}" ] || ln -sfn "$plugin" "/opt/cni/bin/${plugin##*/}"
  done
}
