# Reserves the machine's address and name in the network's DHCP and DNS service.
: "${NETWORK:?libvirt network}"
: "${NAME:?host name}"
: "${MAC:?MAC address}"
: "${ADDRESS:?IPv4 address}"

virsh=(virsh --connect qemu:///system)
entry="<host mac='$MAC' name='$NAME' ip='$ADDRESS'/>"

# Not grep -q: it leaves early, virsh dies of it, and pipefail takes that for "not found".
reserved() { "${virsh[@]}" net-dumpxml "$NETWORK" | grep -iF "$entry" >/dev/null; }

# libvirt finds a reservation by MAC address, so that one is taken away whatever its address and name are.
release() {
  "${virsh[@]}" net-update "$NETWORK" delete ip-dhcp-host "<host mac='$MAC'/>" --live --config >/dev/null
}

apply() {
  if ! reserved; then
    release 2>/dev/null || true
    "${virsh[@]}" net-update "$NETWORK" add ip-dhcp-host "$entry" --live --config >/dev/null
    reserved || fail "network $NETWORK did not take the reservation $entry"
  fi
  say "$NAME has $ADDRESS in network $NETWORK"
}

remove() {
  ! "${virsh[@]}" net-dumpxml "$NETWORK" 2>/dev/null | grep -iF "$MAC" >/dev/null || release
}
