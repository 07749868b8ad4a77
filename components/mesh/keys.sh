# The keys of a site's gateway: made once, and never told (docs/mesh.md). What is printed goes into the state.
: "${MESH:?path of the gateway program}"
: "${SETTINGS:?the part of its settings that the keys follow from, JSON}"
: "${DIRECTORY:?of the files}"
: "${STATE:?directory of what is made here}"

apply() {
  local settings
  one_at_a_time /run/wiab-mesh.lock
  install -d -m 0700 "$DIRECTORY" "$STATE"
  settings=$(mktemp)
  printf '%s' "$SETTINGS" >"$settings"
  "$MESH" keys "$settings"
  rm -f "$settings"
}

remove() {
  # A gateway that stays, with a certificate from elsewhere now, has its keys there too.
  [ -e /etc/systemd/system/wiab-mesh.service ] || rm -rf "$DIRECTORY" "$STATE"
}
