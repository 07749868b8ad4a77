# A machine of a site resolves names of the mesh and reaches them: the gateway tells it an IPv4 address for each, and takes what is sent
# to it (docs/mesh.md).
: "${DOMAIN:?below which the zones of sites lie}"
: "${GATEWAY:?IPv4 address of the gateway}"
: "${NETWORK:?IPv4 network by which the names of other sites are reached}"

drop_in=/etc/systemd/resolved.conf.d/wiab-mesh.conf
mark="# the gateway of the mesh"
route=wiab-mesh-route

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
  case $(ip -4 route get "$GATEWAY" 2>/dev/null) in
    # The gateway itself, where they are at home.
    local*) no_route ;;
    *" via "* | "")
      no_route
      say "the gateway $GATEWAY is behind a router or not reached at all, and the way there does not know $NETWORK: names of the mesh are resolved here, and not reached"
      ;;
    *) route_by_gateway ;;
  esac
}

remove() {
  no_route
  [ ! -e "$drop_in" ] || drop_in_says ""
  resolv_conf_says ""
}

# A service of its own keeps the route: systemd-networkd takes away what it does not know whenever it starts.
route_by_gateway() {
  local other
  other=$(ip -4 -o address show to "$NETWORK" | awk '{ print $2 " has " $4; exit }')
  [ -z "$other" ] || fail "$(hostname) is in another network with addresses of $NETWORK: $other; choose another mesh.ipv4Network"
  service_file "$route" "/etc/systemd/system/$route.service" "[Unit]
Description=the way to other sites of the mesh
Wants=network-online.target
After=network-online.target systemd-networkd.service
PartOf=systemd-networkd.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
Restart=on-failure
RestartSec=2
ExecStart=/usr/sbin/ip -4 route replace $NETWORK via $GATEWAY proto 92
ExecStop=-/usr/sbin/ip -4 route flush proto 92

[Install]
WantedBy=multi-user.target
"
  run_service "$route"
  # It may have been taken away beside the service.
  [ -n "$(ip -4 route show "$NETWORK" via "$GATEWAY" proto 92)" ] || systemctl restart "$route.service"
}

no_route() {
  [ -e "/etc/systemd/system/$route.service" ] || return 0
  systemctl --quiet disable --now "$route.service"
  rm -f "/etc/systemd/system/$route.service" "/run/wiab-$route.changed" "/run/wiab-$route.unread"
  systemctl daemon-reload
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
