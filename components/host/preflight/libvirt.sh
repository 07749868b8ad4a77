# Asks libvirt on the host for its version. It has no parameters, so that its answer stays known whatever
# else of the configuration changes.
apply() {
  virsh --connect qemu:///system version --daemon | sed -n 's/^Running against daemon: /libvirt /p'
}
