# Looks at the KVM host and changes nothing. Every finding is printed; any error among them stops the run.
: "${NETWORK:?name of the libvirt network}"
: "${CIDR:?network of the machines}"
: "${POOL_PATH:?directory for the disks}"
: "${VIRTUALIZATION:?kvm or qemu}"
: "${IMAGE_SOURCE:?URL or path of the guest image}"
: "${MEMORY_MIB:?memory of all machines together}"
: "${VCPUS:?vCPUs of all machines together}"
: "${DISK_BYTES:?disks of all machines together}"
: "${IMAGE_BYTES:?size of the disk in the image}"
: "${MACHINES:?number of machines to make}"
: "${DOMAINS:?names of the domains}"
: "${PUBLIC_ADDRESS:?address whose ports are forwarded}"
: "${LOCAL_ADDRESS:?address of this host that it is translated to, the same where it is not}"
: "${HOST_PORTS?ports that stay with the host, such as udp/51820, empty for none}"
: "${TAKEN_PORTS:?ports that go to the machines, a line each: protocol, first, last}"
: "${PUBLIC_INTERFACE?interface to make for it, empty if the address is on the host already}"
: "${ARTIFACT_LOCATIONS?where the artifact is, one a line, empty without one}"

# libvirt of Ubuntu 22.04, the oldest that this was tried with.
MINIMUM_LIBVIRT=8.0.0
virsh=(virsh --connect qemu:///system)

# The first run: whatever carries our names is somebody else's.
apply() {
  check_host
  check_archives
  check_clashes
  conclude
}

# Later runs, when the configuration has changed: what carries our names is ours.
update() {
  check_host
  conclude
}

check_host() {
  check_libvirt
  check_pool
  check_resources
  check_firewall
  [ -z "$ARTIFACT_LOCATIONS" ] || check_artifact
  [ -z "$ARTIFACT_LOCATIONS" ] || command -v chronyd >/dev/null ||
    finding "the command chronyd is missing, which gives the machines the time: install chrony"
}

check_libvirt() {
  local version
  if ! command -v virsh >/dev/null; then
    finding "virsh is missing: install libvirt-daemon-system, libvirt-clients and qemu-system-x86"
    return
  fi
  if ! version=$("${virsh[@]}" version --daemon 2>&1); then
    finding "libvirt does not answer at qemu:///system: $version"
    return
  fi
  version=$(sed -n 's/^Running against daemon: //p' <<<"$version")
  [ "$(printf '%s\n' "$MINIMUM_LIBVIRT" "$version" | sort -V | head -n 1)" = "$MINIMUM_LIBVIRT" ] ||
    finding "libvirt $version is too old: $MINIMUM_LIBVIRT or newer is needed"
  # Ties each machine to its own address (machine/traffic.sh).
  "${virsh[@]}" nwfilter-dumpxml clean-traffic >/dev/null 2>&1 ||
    finding "libvirt has no filter clean-traffic: install libvirt-daemon-config-nwfilter and restart libvirtd"
  command -v ebtables >/dev/null || finding "the command ebtables is missing, by which libvirt filters: install iptables"
  "${virsh[@]}" domcapabilities --virttype "$VIRTUALIZATION" >/dev/null 2>&1 || case $VIRTUALIZATION in
    kvm) finding "the host cannot run KVM guests: enable VT-x or AMD-V in its firmware and load the kvm module, or set host.virtualization to qemu (slow)" ;;
    *) finding "libvirt has no emulator for qemu guests: install qemu-system-x86" ;;
  esac
}

# Machines' disks are opened by the user that libvirt runs QEMU as; folders that are missing are made so that it can.
check_pool() {
  local user directory=$POOL_PATH
  user=$(sed -n 's/^ *user *= *"\{0,1\}+\{0,1\}\([^"]*\)"\{0,1\} *$/\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)
  [ -n "$user" ] || user=$(getent passwd libvirt-qemu qemu | head -n 1 | cut -d : -f 1) || true
  id "${user:-none}" >/dev/null 2>&1 || return 0
  until [ -d "$directory" ]; do directory=$(dirname "$directory"); done
  setpriv --reuid "$user" --regid "$(id --group "$user")" --init-groups test -x "$directory" ||
    finding "$user, who libvirt runs QEMU as, may not enter $directory (host.poolPath): chmod o+x it and the folders above it, or choose another host.poolPath"
}

check_resources() {
  local memory cpus directory free there
  memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
  [ "$MEMORY_MIB" -le "$memory" ] ||
    finding "the machines need $MEMORY_MIB MiB of memory together, the host has $memory MiB"
  cpus=$(nproc)
  [ "$VCPUS" -le "$cpus" ] ||
    say "note: the machines have $VCPUS vCPUs together, the host has $cpus threads: they will share them"
  directory=$POOL_PATH
  until [ -d "$directory" ]; do directory=$(dirname "$directory"); done
  free=$(df --output=avail -B1 "$directory" | tail -n 1)
  # The image and each machine's disk; those that are there have been filled with it already.
  there=$({ find "$POOL_PATH" -maxdepth 1 -name '*.qcow2' 2>/dev/null || true; } | wc -l)
  if [ "$free" -lt $((IMAGE_BYTES * (MACHINES + 1 - there))) ]; then
    finding "$directory has $((free / 1000000000)) GB free, too little to install $MACHINES machines"
  elif [ "$free" -lt "$DISK_BYTES" ]; then
    say "note: $directory has $((free / 1000000000)) GB free, the machines' disks may grow to $((DISK_BYTES / 1000000000)) GB"
  fi
}

check_firewall() {
  case $IMAGE_SOURCE in
    http*) command -v curl >/dev/null || finding "the command curl is missing, which fetches image.source: install curl" ;;
  esac
  command -v genisoimage >/dev/null || command -v mkisofs >/dev/null || command -v xorrisofs >/dev/null ||
    finding "the command genisoimage is missing, which writes cloud-init's disks: install genisoimage"
  command -v ip >/dev/null || finding "the command ip is missing: install iproute2"
  [ -e /proc/sys/net/ipv4/ip_forward ] || finding "the kernel cannot forward IPv4 packets"
  if ! command -v nft >/dev/null; then
    finding "the command nft is missing: install nftables"
    return
  fi
  nft --check --file - <<<'table inet wiab_preflight { chain c { type nat hook prerouting priority dstnat; }; }' 2>/dev/null ||
    finding "the kernel or nft cannot do address translation in a table of family inet"
  check_foreign_firewalls
  [ -n "$PUBLIC_INTERFACE" ] || check_listeners
  [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" != 1 ] ||
    say "note: bridged packets are filtered (net.bridge.bridge-nf-call-iptables is 1): a machine cannot reach itself through $PUBLIC_ADDRESS"
  [ -n "$PUBLIC_INTERFACE" ] || [ -n "$(ip -4 -oneline address show to "$LOCAL_ADDRESS/32")" ] || missing_address
}

missing_address() {
  local own
  own="it has $(ip -4 -brief address show scope global | awk '{ print $3 }' | paste -sd ' ')"
  if [ "$LOCAL_ADDRESS" = "$PUBLIC_ADDRESS" ]; then
    finding "the host has no address $PUBLIC_ADDRESS (firewall.publicAddress); $own. If a router translates that address to one of the host's (1:1 NAT), name the host's as firewall.localAddress"
  else
    finding "the host has no address $LOCAL_ADDRESS (firewall.localAddress); $own"
  fi
}

# Programs whose sockets wait for answers to what they asked, on ports that the kernel chose (`comm`, 15 characters).
ASKERS=' avahi-daemon chronyd dhclient dhcpcd dnsmasq named NetworkManager nscd ntpd rpc.statd rpcbind snmpd systemd-network systemd-resolve systemd-timesyn unbound '

# What listens on the public address now would hear nothing any more. UDP sockets without a process are the kernel's own
# (WireGuard). In the range of a call's media are clients' as well, which wait for their answers alone and are none the
# worse for it: a program that only asks, and any socket on a port of the kernel's choice that is gone at a second look.
check_listeners() {
  local protocol address port process first last taken listeners later=
  listeners=$(list_listeners)
  while read -r protocol address port process; do
    while read -r taken first last; do
      if [ "$taken" != "$protocol" ] || [ "$port" -lt "$first" ] || [ "$port" -gt "$last" ]; then continue; fi
      if [ "$protocol" = udp ] && [ "$first" != "$last" ] && [ -n "$process" ]; then
        [[ $ASKERS != *" $process "* ]] || continue
        [ -n "$later" ] || later=$(sleep 1 && list_listeners)
        grep -qxF "$protocol $address $port $process" <<<"$later" || continue
      fi
      finding "$protocol port $port of $LOCAL_ADDRESS is taken by ${process:-the kernel (WireGuard, for example)} and goes to the machines: move it, or keep it with firewall.hostPorts ($protocol/$port)"
    done <<<"$TAKEN_PORTS"
  done <<<"$listeners"
}

# Protocol, address, port and process of each listener that the public address reaches, as far as the host does not keep it.
list_listeners() {
  local protocol address port process
  while read -r protocol _ _ _ address _ process; do
    port=${address##*:} address=${address%:*}
    address=${address%\%*}
    # A socket of IPv6 on an address of IPv4.
    case $address in '[::ffff:'*) address=${address#'[::ffff:'} address=${address%']'} ;; esac
    case $address in "$LOCAL_ADDRESS" | '0.0.0.0' | '*' | '[::]') ;; *) continue ;; esac
    case " $HOST_PORTS " in *" $protocol/$port "*) continue ;; esac
    printf '%s\n' "$protocol $address $port $process"
  done < <(ss -H --listening --numeric --tcp --udp --processes 2>/dev/null | sed -E 's/users:\(\("([^"]*)".*/\1/')
}

check_clashes() {
  local name network addresses link
  command -v virsh >/dev/null || return 0
  for network in $("${virsh[@]}" net-list --all --name); do
    if [ "$network" = "$NETWORK" ]; then
      finding "there is a libvirt network $network already that this stack did not make: choose another network.name, or remove it with virsh net-destroy $network and virsh net-undefine $network"
      continue
    fi
    addresses=$("${virsh[@]}" net-dumpxml "$network" | sed -n "s/.*<ip address='\([0-9.]*\)' netmask='\([0-9.]*\)'.*/\1 \2/p")
    while read -r address netmask; do
      [ -z "$address" ] || ! overlaps "$address" "$(mask_length "$netmask")" ||
        finding "$CIDR overlaps with libvirt network $network ($address/$netmask): choose another network.cidr, or remove that one with virsh net-destroy $network and virsh net-undefine $network"
    done <<<"$addresses"
  done
  while read -r route _ link _; do
    [ -n "$route" ] && overlaps "${route%/*}" "${route#*/}" &&
      finding "$CIDR overlaps with $route, which the host reaches by $link: choose another network.cidr"
  done < <(ip -4 -oneline route show | awk '$1 ~ /\// { print $1, $2, $3 }')
  ! ip link show "$NETWORK" >/dev/null 2>&1 || finding "there is an interface $NETWORK already: choose another network.name"
  for name in $DOMAINS; do
    ! "${virsh[@]}" dominfo "$name" >/dev/null 2>&1 ||
      finding "there is a libvirt domain $name already that this stack did not make"
  done
  ! "${virsh[@]}" pool-info "$NETWORK" >/dev/null 2>&1 ||
    finding "there is a libvirt storage pool $NETWORK already that this stack did not make"
  [ -z "$(ls -A "$POOL_PATH" 2>/dev/null)" ] || finding "the directory $POOL_PATH is not empty (host.poolPath)"
  ! nft list table inet "$NETWORK" >/dev/null 2>&1 || finding "there is an nft table inet $NETWORK already: choose another network.name"
}

to_number() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  echo $(((a << 24) + (b << 16) + (c << 8) + d))
}

to_address() { echo "$(($1 >> 24)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"; }

mask_length() {
  local number bits=0
  number=$(to_number "$1")
  while [ $((number & 0x80000000)) -ne 0 ]; do
    bits=$((bits + 1))
    number=$(((number << 1) & 0xffffffff))
  done
  echo "$bits"
}

# overlaps ADDRESS LENGTH: whether that network and CIDR have addresses in common.
overlaps() {
  local length=$2 own=${CIDR#*/} shift
  shift=$((32 - (length < own ? length : own)))
  [ $(($(to_number "$1") >> shift)) -eq $(($(to_number "${CIDR%/*}") >> shift)) ]
}
