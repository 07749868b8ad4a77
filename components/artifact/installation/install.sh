# Puts the programs of a data service on a node, and starts none of them.
: "${SERVICE:?its name}"
: "${PACKAGES?Debian packages}"
: "${UNITS?systemd units that these packages would start by themselves; patterns of the shell}"
: "${FILES?one line each: URL, checksum; archives are unpacked}"

apply() {
  local url sha
  leave_to_us
  # Packages that register alternatives, such as Java, fail on slim images, which have no manual pages.
  mkdir -p /usr/share/man/man1
  # shellcheck disable=SC2086 # a list of names
  install_packages nftables $PACKAGES
  while read -r url sha; do
    [ -z "$url" ] || unpack "$url" "$sha"
  done <<<"$FILES"
  say "the programs of $SERVICE are on $(hostname)"
}

# A package that starts its service before it is configured makes a database of its own of it (Debian's policy layer,
# invoke-rc.d(8)).
leave_to_us() {
  local file=/usr/sbin/policy-rc.d pattern list=/etc/wiab/units-left-alone
  mkdir -p "${list%/*}"
  touch "$list"
  # Five of these scripts run at a time.
  exec 8>>"$list.lock"
  flock 8
  set -f
  for pattern in $UNITS; do
    grep -qxF "$pattern" "$list" || printf '%s\n' "$pattern" >>"$list"
  done
  set +f
  # Units of wiab's data services are started by wiab alone.
  [ -e "$file" ] || put "$file" "#!/bin/sh
while read -r pattern; do
  case \${1%.service} in \$pattern) exit 101 ;; esac
done <$list
exit 0
" 0755
  exec 8>&-
}

# Everything lies under its checksum: another version comes beside the one that runs.
unpack() {
  local directory=/opt/wiab/$SERVICE/dist/$2
  [ ! -d "$directory" ] || return 0
  rm -rf "$directory.new" "$directory.fetched"
  mkdir -p "$directory.new"
  fetch_asset "$1" "$2" "$directory.fetched"
  case $1 in
    *.tar.gz | *.tgz) tar --extract --no-same-owner --file "$directory.fetched" --directory "$directory.new" ;;
    *.zip) unzip -q "$directory.fetched" -d "$directory.new" ;;
    *) install -m 0755 "$directory.fetched" "$directory.new/$(basename "$1")" ;;
  esac
  rm "$directory.fetched"
  mv "$directory.new" "$directory"
}
