# What a machine knows of itself, for whoever looks for a fault: what each command says, under a line with the command.
# Changes nothing. Argument: yes to ask the cluster as well, by way of this machine.
export LC_ALL=C.UTF-8
say() {
  printf '\n=== %s\n' "$*"
  timeout 60 "$@" 2>&1 | tail -c 400000
}

say uname -a
say cat /etc/os-release
say uptime
say free -m
say df -h
say df -i
say ip -brief address
say ip route
say ss -tulpn
say nft --stateless list ruleset
say systemctl --failed --no-pager
say systemctl list-units --all --no-pager --no-legend 'wiab-*' 'cassandra*' 'postgresql*' 'elasticsearch*' 'minio*' 'rabbitmq*' kubelet containerd nginx docker-registry
say systemctl list-timers --all --no-pager
say dpkg-query --show
say ps -eo pid,ppid,user,pcpu,pmem,rss,etime,comm
say dmesg --ctime --level emerg,alert,crit,err,warn
say journalctl --no-pager --since -1day --priority warning --lines 3000
for unit in cassandra postgresql elasticsearch minio rabbitmq-server kubelet containerd libvirtd; do
  systemctl cat "$unit" >/dev/null 2>&1 || continue
  say journalctl --no-pager --since -1day --lines 1000 --unit "$unit"
done
if command -v virsh >/dev/null; then
  say virsh --connect qemu:///system list --all
  say virsh --connect qemu:///system net-list --all
  say virsh --connect qemu:///system pool-list --all
fi
if [ "${1:-}" = yes ]; then
  export KUBECONFIG=/etc/kubernetes/admin.conf
  say kubectl version
  say kubectl get nodes --output wide
  say kubectl get all --all-namespaces --output wide
  say kubectl get events --all-namespaces --sort-by .lastTimestamp
  say kubectl describe nodes
  say kubectl get persistentvolumes,persistentvolumeclaims --all-namespaces
  kubectl get pods --all-namespaces --no-headers --output custom-columns=N:.metadata.namespace,P:.metadata.name |
    while read -r namespace pod; do
      say kubectl --namespace "$namespace" logs "$pod" --all-containers --tail 300 --prefix
    done
fi
