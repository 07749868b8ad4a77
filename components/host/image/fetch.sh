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

# Former files of the same kind too, but for those that a disk which was put aside stands on: it is nothing without.
remove() {
  local file used='' pool=false
  ! "${virsh[@]}" pool-info "$POOL" >/dev/null 2>&1 || pool=true
  ! $pool || used=$(bases)
  for file in "$POOL_PATH/${VOLUME%%-*}"-*; do
    if grep -qxF "$file" <<<"$used"; then
      say "$file stays: a disk in pool $POOL stands on it"
    else
      rm -f "$file"
    fi
  done
  ! $pool || "${virsh[@]}" pool-refresh "$POOL" >/dev/null
}

# The files that volumes of the pool stand on.
bases() {
  local volumes volume xml
  "${virsh[@]}" pool-refresh "$POOL" >/dev/null
  volumes=$("${virsh[@]}" vol-list "$POOL" | awk 'NR > 2 && NF { print $1 }')
  for volume in $volumes; do
    xml=$("${virsh[@]}" vol-dumpxml "$volume" --pool "$POOL")
    sed -n '/<backingStore>/,/<.backingStore>/ s:.*<path>\(.*\)</path>.*:\1:p' <<<"$xml"
  done
}
