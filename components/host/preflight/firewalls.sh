# Asks the kernel what the host's other firewalls let through: copies of their rules lie in a network namespace with
# interfaces of the host's names, and packets like those of machines and clients go there. Reading rules instead is to
# guess: what a packet meets depends on their order, jumps, sets and marks. The namespaces belong to processes of this
# script and end with them; the host's own network is not touched.
: "${NETWORK:?name of the libvirt network}"
: "${ADMITTED_MARK:?mark of what a stack has let its machines ask of the host}"
: "${MACHINE_SERVICES:?what the machines ask this host for, such as udp/53}"
: "${NODE_PORTS?ports of the machines that others of the host go to, such as 443:31773}"

# Tables of somebody else's (ufw, firewalld, Docker) have their way: a packet has to pass every one of them. Machines ask
# the host for addresses and names, and what clients send is forwarded to them.
check_foreign_firewalls() {
  local tables=() table swallowed blamed=
  local -A copies=() why=()
  while read -r table; do
    [ "$table" = "inet $NETWORK" ] || tables+=("$table")
  done < <(nft list tables 2>/dev/null | sed -nE 's/^table ((ip|inet) .*)/\1/p')
  [ ! -s /proc/net/ip_tables_names ] || ! command -v iptables-legacy-save >/dev/null || tables+=("iptables-legacy")
  [ "${#tables[@]}" -gt 0 ] || return 0
  for table in "${tables[@]}"; do copies[$table]=$(copy_of "$table"); done
  swallowed=$(swallowed_by "${tables[@]}") || true
  if ! grep -qx tried <<<"$swallowed"; then
    say "note: what other firewalls let through could not be tried: $(tail -n 1 <<<"$swallowed")"
    return
  fi
  sed -nE 's/^untried ([^:]*): /note: what \1 lets through could not be tried: /p' <<<"$swallowed"
  grep -q '^swallowed' <<<"$swallowed" || return 0
  # One that swallows by itself is named; it may be that only several together do.
  for table in "${tables[@]}"; do
    why[$table]=$(swallowed_by "$table" | sed -n 's/^swallowed //p')
    [ -z "${why[$table]}" ] || blamed=1
  done
  [ -n "$blamed" ] || { table="${tables[*]}" && tables=("$table") && why[$table]=$(sed -n 's/^swallowed //p' <<<"$swallowed"); }
  for table in "${tables[@]}"; do
    [ -z "${why[$table]}" ] || name_firewall "$table" "${why[$table]}" "${copies[$table]:-}"
  done
}

# name_firewall TABLE SWALLOWED RULES
name_firewall() {
  local asked
  asked=$(sed -n 's/^asked //p' <<<"$2" | paste -sd ' ')
  if [ -n "$asked" ]; then
    finding "table $1 refuses what the machines ask this host for, their addresses (DHCP) and names ($asked): $(remedy "$@")"
  else
    finding "table $1 drops what is forwarded to and from the machines ($(sed -n 's/^forwarded //p' <<<"$2" | paste -sd ' ')): $(remedy "$@")"
  fi
}

# The commands that let the machines through, by whose table it is.
remedy() {
  local table=$1 rules=$3 commands=() hook chain iptables
  case "$table/$rules" in
    *" firewalld/"*) commands+=("firewall-cmd --permanent --zone=trusted --add-interface=$NETWORK" "firewall-cmd --reload") ;;
    *ufw-*) commands+=("ufw allow in on $NETWORK" "ufw route allow in on $NETWORK" "ufw route allow out on $NETWORK") ;;
    *$'\n'COMMIT*)
      iptables=iptables
      [ "$table" != iptables-legacy ] || iptables="iptables-legacy"
      ! grep -q '^asked' <<<"$2" || commands+=("$iptables -I INPUT -i $NETWORK -j ACCEPT")
      ! grep -q '^forwarded' <<<"$2" || case $rules in
        *:DOCKER-USER*) commands+=("$iptables -I DOCKER-USER -i $NETWORK -j ACCEPT" "$iptables -I DOCKER-USER -o $NETWORK -j ACCEPT") ;;
        *) commands+=("$iptables -I FORWARD -i $NETWORK -j ACCEPT" "$iptables -I FORWARD -o $NETWORK -j ACCEPT") ;;
      esac
      ;;
    *)
      while read -r hook chain; do
        commands+=("nft 'insert rule $table $chain iifname \"$NETWORK\" accept'")
        [ "$hook" = input ] || commands+=("nft 'insert rule $table $chain oifname \"$NETWORK\" accept'")
      done < <(awk '$1 == "chain" { chain = $2 } $1 == "type" && ($4 == "input" || $4 == "forward") { print $4, chain }' <<<"$rules")
      ;;
  esac
  [ "${#commands[@]}" -gt 0 ] || commands=("let it accept what comes in and what goes out at the interface $NETWORK")
  printf '%s\n' "${commands[@]}" | paste -sd ';' | sed 's/;/; /g'
}

# Rules of a table as the program reads them again that made them. nft cannot write down all that iptables can.
copy_of() {
  local saved
  case $1 in
    iptables-legacy) iptables-legacy-save ;;
    "ip filter" | "ip nat" | "ip mangle" | "ip raw" | "ip security")
      saved=$(iptables-nft-save -t "${1#ip }" 2>/dev/null) || saved=incompatible
      case $saved in *incompatible* | "") nft_table "$1" ;; *) printf '%s\n' "$saved" ;; esac
      ;;
    *) nft_table "$1" ;;
  esac 2>/dev/null
}

nft_table() { nft list table "${1% *}" "${1#* }"; }

# swallowed_by TABLE...: a line for each kind of packet that does not get past them, `swallowed asked udp/53` or
# `swallowed forwarded in:tcp/443`, for each of them that could not be loaded, `untried TABLE: MESSAGE`, and `tried` at its end.
swallowed_by() {
  local tables=("$@") ipsets links uplink
  # Rules may name these.
  ipsets=$(ipset save 2>/dev/null) || ipsets=
  mapfile -t links < <(ip -oneline link show | awk -F ': ' '{ sub(/@.*/, "", $2); print $2 }')
  uplink=$(ip -4 route show default | sed -nE '1s/.* dev ([^ ]+).*/\1/p')
  uplink=${uplink:-uplink}
  {
    declare -p NETWORK CIDR LOCAL_ADDRESS ADMITTED_MARK MACHINE_SERVICES TAKEN_PORTS NODE_PORTS tables copies ipsets links uplink
    declare -f try swallowed connect load_copies plan_packets send_packets arrived to_number to_address
    echo try
  } | unshare --net --pid --fork --kill-child --mount-proc bash -s 2>&1
}

# What follows runs in the namespace of the copies. The machines and the clients are in a second one, beyond the cables.
try() {
  local others client=9.9.9.9 gateway machine neighbour name rules=() counters=() commands=() deadline
  exec 3< <(exec unshare --net bash -c 'echo there; exec sleep infinity')
  others=$!
  read -r _ <&3 || return
  gateway=$(to_address $(($(to_number "${CIDR%/*}") + 1)))
  machine=$(to_address $(($(to_number "${CIDR%/*}") + 2)))
  neighbour=$(to_address $(($(to_number "${CIDR%/*}") + 3)))
  connect && load_copies && plan_packets && send_packets || return
  deadline=$((SECONDS + 30))
  until [ "$(arrived | grep -c ^sent_)" = "${#counters[@]}" ]; do
    [ "$SECONDS" -lt "$deadline" ] || return
    sleep 0.02
  done
  # A packet is at the end of its way, or nowhere, once it has been seen at the beginning.
  arrived=$(arrived)
  for name in "${counters[@]}"; do
    [[ $'\n'$arrived$'\n' == *$'\n'"past_$name"$'\n'* ]] || swallowed "$name"
  done
  echo tried
}

# swallowed COUNTER: says so, in words.
swallowed() {
  local what=${1%_*}/${1##*_}
  what=${what/_/ }
  echo "swallowed ${what/_/:}"
}

connect() {
  local name
  echo 1 >/proc/sys/net/ipv4/ip_forward
  ip -batch - <<END || return
link set lo up
link add $NETWORK type veth peer name machine netns $others
link add $uplink type veth peer name client netns $others
address add $gateway/${CIDR#*/} dev $NETWORK
address add $LOCAL_ADDRESS/32 dev $uplink
link set $NETWORK up
link set $uplink up
route add default dev $uplink
END
  for name in "${links[@]}"; do
    case $name in lo | "$NETWORK" | "$uplink") continue ;; esac
    [[ ${copies[*]} != *"$name"* ]] || ip link add "$name" type dummy
  done
  # A machine that has no address yet asks everybody.
  nsenter --net="/proc/$others/ns/net" ip -batch - <<END || return
link set machine up
link set client up
address add $machine/${CIDR#*/} dev machine
address add $client/32 dev client
route add $LOCAL_ADDRESS/32 dev client src $client
route add default via $gateway dev machine
neigh add $neighbour lladdr ff:ff:ff:ff:ff:ff dev machine
END
  nsenter --net="/proc/$others/ns/net" nft -f - <<END
table ip others {
  chain asking { type filter hook postrouting priority 0; udp dport 67 ip saddr set 0.0.0.0 ip daddr set 255.255.255.255 udp sport set 68; }
}
END
}

load_copies() {
  local table message program
  [ -z "$ipsets" ] || ipset restore <<<"$ipsets"
  for table in "${tables[@]}"; do
    case "$table ${copies[$table]}" in
      iptables-legacy*) program=(iptables-legacy-restore) ;;
      *$'\n'COMMIT*) program=(iptables-nft-restore) ;;
      *) program=(nft --file -) ;;
    esac
    message=$("${program[@]}" <<<"${copies[$table]}" 2>&1) || echo "untried table $table: ${message%%$'\n'*}"
  done
}

# Puts a rule before and one behind all others for each packet, and the commands that send it into `commands`.
plan_packets() {
  local service protocol first last port
  for service in $MACHINE_SERVICES; do
    port=${service#*/} protocol=${service%/*}
    counters+=("asked_${protocol}_$port")
    rules+=("add rule inet wiab sent iifname \"$NETWORK\" $protocol dport $port counter name sent_asked_${protocol}_$port")
    rules+=("add rule inet wiab asked iifname \"$NETWORK\" $protocol dport $port counter name past_asked_${protocol}_$port")
    [ "$port" = 67 ] && commands+=("$protocol/$neighbour/$port") || commands+=("$protocol/$gateway/$port")
  done
  while read -r protocol first last; do
    port=$last
    [[ $protocol != tcp || " $NODE_PORTS" != *" $first:"* ]] || port=${NODE_PORTS##*"$first:"} port=${port%% *}
    counters+=("forwarded_in_${protocol}_$last")
    rules+=("add rule inet wiab sent iifname \"$uplink\" $protocol dport $last counter name sent_forwarded_in_${protocol}_$last")
    rules+=("add rule inet wiab translate iifname \"$uplink\" ip daddr $LOCAL_ADDRESS $protocol dport $last dnat ip to $neighbour:$port")
    rules+=("add rule inet wiab forwarded oifname \"$NETWORK\" $protocol dport $port counter name past_forwarded_in_${protocol}_$last")
    commands+=("$protocol/$LOCAL_ADDRESS/$last")
  done <<<"$TAKEN_PORTS"
  counters+=(forwarded_out_tcp_443)
  rules+=("add rule inet wiab sent iifname \"$NETWORK\" tcp dport 443 counter name sent_forwarded_out_tcp_443")
  rules+=("add rule inet wiab forwarded oifname \"$uplink\" tcp dport 443 counter name past_forwarded_out_tcp_443")
  commands+=("tcp/9.9.9.10/443")
  nft --file - <<END
add table inet wiab
$(printf 'add counter inet wiab sent_%s\n' "${counters[@]}")
$(printf 'add counter inet wiab past_%s\n' "${counters[@]}")
add chain inet wiab sent { type filter hook prerouting priority -2000000000; }
add chain inet wiab translate { type nat hook prerouting priority -101; }
add chain inet wiab admit { type filter hook input priority -1; }
add rule inet wiab admit iifname "$NETWORK" meta mark set $ADMITTED_MARK
add chain inet wiab asked { type filter hook input priority 2000000000; }
add chain inet wiab forwarded { type filter hook forward priority 2000000000; }
$(printf '%s\n' "${rules[@]}")
END
}

# A connection that nobody answers is left to the end of all processes here.
send_packets() {
  # shellcheck disable=SC2016 # for the other shell
  nsenter --net="/proc/$others/ns/net" bash -c '
    for packet; do
      case $packet in
        udp/*) echo >"/dev/$packet" ;;
        *) (: <>"/dev/$packet") 2>/dev/null & ;;
      esac
    done' send "${commands[@]}"
}

# Names of the counters that have counted.
arrived() { nft list counters table inet wiab | awk '$1 == "counter" { name = $2 } $1 == "packets" && $2 > 0 { print name }'; }
