# A machine of a site resolves names of the mesh: it asks the gateway for them (docs/mesh.md).
: "${DOMAIN:?below which the zones of sites lie}"
: "${GATEWAY:?IPv4 address of the gateway}"

drop_in=/etc/systemd/resolved.conf.d/wiab-mesh.conf
mark="# the gateway of the mesh"

apply() {
  if systemctl --quiet is-active systemd-resolved.service; then
    drop_in_says "[Resolve]
DNS=$GATEWAY
Domains=~$DOMAIN
"
  else
    # Without systemd-resolved one server is asked for everything; the gateway hands on what is no site's, and the others take its
    # place while it is away.
    resolv_conf_says "nameserver $GATEWAY $mark
"
  fi
}

remove() {
  [ ! -e "$drop_in" ] || drop_in_says ""
  resolv_conf_says ""
}

drop_in_says() {
  [ -n "$1" ] || { rm -f "$drop_in" && systemctl restart systemd-resolved.service && return; }
  holds "$drop_in" "$1" || {
    put "$drop_in" "$1"
    systemctl restart systemd-resolved.service
  }
}

resolv_conf_says() {
  local wanted
  wanted="$1$(grep -vF "$mark" /etc/resolv.conf || true)
"
  # In place: a container has this file from outside.
  holds /etc/resolv.conf "$wanted" || {
    printf '%s' "$wanted" >/etc/resolv.conf
    made file /etc/resolv.conf
  }
}
