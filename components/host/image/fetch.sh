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
      *) download ;;
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

download() {
  command -v curl >/dev/null || fail "curl is missing on $(hostname): install it, or configure a path on it instead of a URL"
  # A run that was interrupted while it checked the file had all of it: there is nothing left to ask for.
  ! complete || return 0
  say "fetching $SOURCE"
  # A broken download goes on where it stopped, in this run and in the next one.
  local request=(
    --fail --silent --show-error --location --connect-timeout 20 --speed-limit 1000 --speed-time 60
    --retry 5 --retry-connrefused --continue-at - --output "$part" "$SOURCE"
  )
  # 33: the server cannot send the rest alone.
  curl "${request[@]}" || { [ $? = 33 ] && rm "$part" && curl "${request[@]}"; } ||
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
