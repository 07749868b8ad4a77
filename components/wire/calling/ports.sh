# Keeps the ports that this machine's kernel chooses away from those of the media relay: sftd takes the kernel's, coturn
# its own range, and both are on this machine's network.
: "${FIRST:?first port that the kernel may choose}" "${LAST:?last port that the kernel may choose}"

setting=/etc/sysctl.d/60-wiab-calling.conf
key=/proc/sys/net/ipv4/ip_local_port_range

apply() {
  holds "$setting" "net.ipv4.ip_local_port_range = $FIRST $LAST" ||
    put "$setting" "net.ipv4.ip_local_port_range = $FIRST $LAST"
  printf '%s %s\n' "$FIRST" "$LAST" >"$key"
  # The kernel keeps what it takes for an error to itself.
  [ "$(tr '\t' ' ' <"$key")" = "$FIRST $LAST" ] || fail "the kernel has refused the port range $FIRST to $LAST"
}

remove() {
  rm -f "$setting"
  # The kernel's own.
  printf '32768 60999\n' >"$key"
}
