# Writes the disk that cloud-init reads at a machine's first boot (NoCloud: a file system named cidata).
: "${IMAGE:?file to write}"
: "${USER_DATA:?cloud-init user data}"
: "${HOST_KEY:?the part of the user data that has the key of the SSH server}"
: "${META_DATA:?cloud-init metadata}"
: "${NETWORK_CONFIG:?cloud-init network configuration}"

apply() {
  local content=$IMAGE.content wanted tool directory
  wanted=$(printf '%s\0' "$USER_DATA" "$HOST_KEY" "$META_DATA" "$NETWORK_CONFIG" | sha256sum | cut -d ' ' -f 1)
  if [ ! -e "$IMAGE" ] || [ "$(cat "$content" 2>/dev/null)" != "$wanted" ]; then
    tool=$(command -v genisoimage || command -v mkisofs || command -v xorrisofs) ||
      fail "genisoimage is missing on $(hostname): install it"
    # The host key of the machine is in it. libvirt gives the file to the hypervisor when a machine starts.
    umask 077
    directory=$(mktemp -d)
    printf '%s' "$USER_DATA" "$HOST_KEY" >"$directory/user-data"
    printf '%s' "$META_DATA" >"$directory/meta-data"
    printf '%s' "$NETWORK_CONFIG" >"$directory/network-config"
    "$tool" -quiet -volid cidata -joliet -rock -output "$IMAGE.part" "$directory"
    rm -r "$directory"
    # A machine that runs keeps the file that it has open.
    mv "$IMAGE.part" "$IMAGE"
    printf '%s\n' "$wanted" >"$content"
  fi
  say "cloud-init's disk is $IMAGE"
}

remove() { rm -f "$IMAGE" "$IMAGE.part" "$IMAGE.content"; }
