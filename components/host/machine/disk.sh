# Brings a disk to its configured size. It only ever grows.
: "${POOL:?storage pool}"
: "${POOL_PATH:?its directory}"
: "${VOLUME:?name of the volume}"
: "${DOMAIN:?domain that uses it}"
: "${BYTES:?configured size}"

virsh=(virsh --connect qemu:///system)

apply() {
  local current
  current=$("${virsh[@]}" vol-info "$VOLUME" --pool "$POOL" --bytes | awk '/^Capacity:/ { print $2 }')
  [ "$current" -le "$BYTES" ] ||
    fail "the disk of $DOMAIN has $((current / 1000000000)) GB and is configured to $((BYTES / 1000000000)) GB: shrinking it would destroy data; set diskGB back, or replace the machine"
  if [ "$current" -lt "$BYTES" ]; then
    if [ "$("${virsh[@]}" domstate "$DOMAIN" 2>/dev/null)" = running ]; then
      "${virsh[@]}" blockresize "$DOMAIN" "$POOL_PATH/$VOLUME" "${BYTES}B" >/dev/null
      say "the file system of $DOMAIN takes up the new space at its next boot"
    else
      "${virsh[@]}" vol-resize "$VOLUME" "$BYTES" --pool "$POOL" >/dev/null
    fi
    "${virsh[@]}" pool-refresh "$POOL" >/dev/null
  fi
  say "the disk of $DOMAIN has $BYTES bytes"
}
