# The gateway of a site: its files, and five services that each outlive the end of another (docs/mesh.md).
: "${MESH:?path of the gateway program}"
: "${COREDNS:?path of the name server}"
: "${SETTINGS:?settings of the program, JSON}"
: "${COREFILE:?configuration of the name server}"
: "${CERTIFICATE:?of the site, PEM}"
: "${PRIVATE_KEY?of the certificate, PEM; empty where the gateway has made it}"
: "${AUTHORITY:?certificates that sites are believed by, PEM}"
: "${REVOCATIONS?revocation list, PEM; empty without one}"
: "${LASTING:?what the services cannot change while they run}"
: "${INTERFACES:?names of the WireGuard interfaces}"
: "${TABLE:?name of the nft table}"
: "${PREFIX:?IPv6 network of the site}"
: "${NETWORK:?IPv4 network by which the site reaches names of others}"
: "${DIRECTORY:?of the files}"
: "${STATE:?directory of what is made here, such as the private key}"

services=(wiab-mesh-device wiab-mesh wiab-mesh-names wiab-mesh-forward wiab-mesh-dns)
read -ra interfaces <<<"$INTERFACES"

apply() {
  local service former
  one_at_a_time /run/wiab-mesh.lock
  nobody_else_has_the_networks
  install -d -m 0700 "$DIRECTORY" "$STATE"
  switch_on_ipv6
  # A site that had another prefix has addresses of it.
  former=$(cut -d '"' -f 4 "$DIRECTORY/lasting-wiab-mesh" 2>/dev/null || true)
  [ -z "$former" ] || [ "$former" = "$PREFIX" ] || drop_addresses "$former"
  # The services see by themselves that these have changed. The key comes first: a certificate is read with it.
  [ -z "$PRIVATE_KEY" ] || keep "$DIRECTORY/site.key" "$PRIVATE_KEY"
  keep "$DIRECTORY/site.pem" "$CERTIFICATE"
  keep "$DIRECTORY/authority.pem" "$AUTHORITY"
  keep "$DIRECTORY/revocations.pem" "$REVOCATIONS"
  keep "$DIRECTORY/mesh.json" "$SETTINGS"
  keep "$DIRECTORY/Corefile" "$COREFILE"
  # Whom it asks for what is no site's: what the machine was told, without itself (resolve.sh).
  put "$DIRECTORY/resolv.conf" "$(grep '^nameserver ' /etc/resolv.conf | grep -v '# the gateway of the mesh' || echo 'nameserver 127.0.0.1')
"
  unit wiab-mesh-device "the tunnel of the mesh" "$MESH device $DIRECTORY/mesh.json"
  unit wiab-mesh "the peers of the mesh" "$MESH run $DIRECTORY/mesh.json"
  unit wiab-mesh-names "what has joined this site by itself" "$MESH names $DIRECTORY/mesh.json"
  unit wiab-mesh-forward "what this site offers in the mesh" "$MESH forward $DIRECTORY/mesh.json"
  unit wiab-mesh-dns "the names of this site in the mesh" "$COREDNS -conf $DIRECTORY/Corefile"
  for service in "${services[@]}"; do
    service_file "$service" "$DIRECTORY/lasting-$service" "$LASTING"
    run_service "$service"
  done
  wait_for "the gateway of the mesh" 60 "$MESH" status "$DIRECTORY/mesh.json"
  if [ "$(cat "/sys/class/net/${interfaces[0]}/tun_flags" 2>/dev/null)" ]; then
    say "wireguard: userspace"
  else
    say "wireguard: kernel"
  fi
}

# keep FILE TEXT: a file for root alone.
keep() { holds "$1" "$2" || put "$1" "$2" 0600; }

# unit SERVICE DESCRIPTION COMMAND: a service that is started again however often it ends.
unit() {
  service_file "$1" "/etc/systemd/system/$1.service" "[Unit]
Description=$2
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=$3
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"
}

# The overlay is IPv6, of which the gateway needs no more than the tunnel and its own loopback.
switch_on_ipv6() {
  local file=/proc/sys/net/ipv6/conf key
  [ -d "$file" ] || fail "$(hostname) has no IPv6: its kernel was booted with ipv6.disable=1, which the gateway of a mesh cannot do without"
  # What is missing after all is for the tunnel to say: a kernel may have either built in.
  [ -e "/sys/class/net/${interfaces[0]}" ] || { modprobe --quiet wireguard || modprobe --quiet tun; } 2>/dev/null || true
  put /etc/sysctl.d/60-wiab-mesh.conf "net.ipv6.conf.all.disable_ipv6 = 0
net.ipv6.conf.default.disable_ipv6 = 0
net.ipv6.conf.lo.disable_ipv6 = 0
"
  for key in all default lo; do
    [ "$(cat "$file/$key/disable_ipv6")" = 1 ] || continue
    echo 0 >"$file/$key/disable_ipv6" || fail "IPv6 cannot be switched on on $(hostname): net.ipv6.conf.$key.disable_ipv6 stays 1"
    echo "$key" >>"$STATE/ipv6-was-off"
  done
}

# Another network with the same addresses, such as another VPN's, would take the packets that are for this one.
nobody_else_has_the_networks() {
  local other
  other=$(ip -6 -o address show to "$PREFIX" | awk -v own=" lo ${interfaces[*]} " '!index(own, " " $2 " ") { print $2 " has " $4; exit }')
  [ -z "$other" ] || fail "$(hostname) is in another network with addresses of $PREFIX: $other; choose another mesh.prefix"
  other=$(ip -4 -o address show to "$NETWORK" | awk '{ print $2 " has " $4; exit }')
  [ -z "$other" ] || fail "$(hostname) is in another network with addresses of $NETWORK: $other; choose another mesh.ipv4Network"
}

# switch_off_ipv6: where it was off before the mesh.
switch_off_ipv6() {
  local key
  [ -e "$STATE/ipv6-was-off" ] || return 0
  while read -r key; do
    echo 1 >"/proc/sys/net/ipv6/conf/$key/disable_ipv6"
  done <"$STATE/ipv6-was-off"
}

# drop_addresses PREFIX: the addresses of names and of the gateway itself, which outlive the services.
drop_addresses() {
  local address
  while read -r address; do
    ip -6 address delete "$address" dev lo
  done < <(ip -6 -o address show dev lo to "$1" | awk '{ print $4 }')
}

remove() {
  local service interface
  for service in "${services[@]}"; do
    systemctl --quiet disable --now "$service.service" 2>/dev/null || true
    rm -f "/etc/systemd/system/$service.service" "/run/wiab-$service.changed" "/run/wiab-$service.unread"
  done
  systemctl daemon-reload
  nft "add table inet $TABLE; delete table inet $TABLE"
  for interface in "${interfaces[@]}"; do
    ip link delete dev "$interface" 2>/dev/null || true
  done
  drop_addresses "$PREFIX"
  # Those of the relay (mesh/tunnel/device.go).
  ip -4 route flush table local proto 92
  switch_off_ipv6
  rm -rf /run/wiab-mesh /etc/sysctl.d/60-wiab-mesh.conf
  if [ -n "$PRIVATE_KEY" ]; then
    rm -rf "$DIRECTORY" "$STATE"
  else
    # Keys of the gateway's own making are keys.sh's to take away: this may be one half of a replacement.
    find "$DIRECTORY" "$STATE" -mindepth 1 ! -name site.key ! -name 'wireguard.key*' -delete 2>/dev/null || true
  fi
}
