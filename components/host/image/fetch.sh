# Puts a file into the storage pool: fetched or copied, checked, and only then given its name.
: "${SOURCE:?URL, or path on this host}"
: "${SHA256?expected checksum, empty for a path without one}"
: "${POOL:?storage pool}"
: "${POOL_PATH:?its directory}"
: "${VOLUME:?file name in the pool}"

virsh=(virsh --connect qemu:///system)
target=$POOL_PATH/$VOLUME
part=$target.part

apply() {
  if [ ! -e "$target" ]; then
    case $SOURCE in
      /*) copy ;;
      *) fetch ;;
    esac
    verify
    mv "$part" "$target"
  fi
  "${virsh[@]}" pool-refresh "$POOL" >/dev/null
  "${virsh[@]}" vol-info "$VOLUME" --pool "$POOL" >/dev/null || fail "libvirt does not see $target"
  say "$VOLUME is in pool $POOL"
}

copy() {
  [ -r "$SOURCE" ] || fail "$SOURCE does not exist on $(hostname) or cannot be read"
  cp --reflink=auto --sparse=always "$SOURCE" "$part"
}

fetch() {
  command -v curl >/dev/null || fail "curl is missing on $(hostname): install it, or configure a path on it instead of a URL"
  # A run that was interrupted while it checked the file had all of it: there is nothing left to ask for.
  ! complete || return 0
  say "fetching $SOURCE"
  download "$SOURCE" "$part" ||
    fail "fetching $SOURCE failed; what has arrived is kept in $part and the next run goes on from there"
}

complete() { [ -n "$SHA256" ] && sha256sum --check --status <<<"$SHA256  $part" 2>/dev/null; }

verify() {
  local found
  [ -n "$SHA256" ] || return 0
  found=$(sha256sum "$part" | cut -d ' ' -f 1)
  if [ "$found" != "$SHA256" ]; then
    rm -f "$part"
    fail "$SOURCE has checksum $found, the configuration says $SHA256; the file was thrown away"
  fi
}

# Former files of the same kind too: they stay while disks stand on them, and at the end nothing does.
remove() {
  rm -f "$POOL_PATH/${VOLUME%%-*}"-*
  ! "${virsh[@]}" pool-info "$POOL" >/dev/null 2>&1 || "${virsh[@]}" pool-refresh "$POOL" >/dev/null
}
