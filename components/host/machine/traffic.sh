# Ties a machine's port on the bridge to its MAC and IPv4 address: libvirt's own filter clean-traffic drops whatever else
# the machine sends, ARP included. The domain stays as it is and runs on; libvirt sets the filter up at each later start.
: "${DOMAIN:?libvirt domain}"
: "${DOMAIN_ID:?its UUID: a domain that was made anew is filtered anew}"
: "${MAC:?its MAC address}"
: "${ADDRESS:?its IPv4 address}"

FILTER="<filterref filter='clean-traffic'><parameter name='IP' value='$ADDRESS'/></filterref>"
virsh=(virsh --connect qemu:///system)

apply() {
  local answered=no
  ! answers || answered=yes
  named --inactive || give --config --inactive "$FILTER"
  if running && ! { named && in_force; }; then
    # What libvirt believes to be in place already it does not set up again.
    ! named || give --live '' ''
    give --live '' "$FILTER"
    wait_for "the rules of libvirt's filter at the port of $DOMAIN" 20 in_force
    if [ "$answered" = yes ]; then still_answers; fi
  fi
  made output "virsh --connect qemu:///system dumpxml --inactive $DOMAIN | grep --after-context 1 '<filterref'"
  made output "ebtables -t nat --list PREROUTING | grep --count -e \"-i \$(virsh --connect qemu:///system domiflist $DOMAIN | awk '/$MAC/ { print \$1 }') \""
  say "$DOMAIN sends as $MAC with $ADDRESS alone"
}

running() { [ "$("${virsh[@]}" domstate "$DOMAIN" 2>/dev/null)" = running ]; }

# interface [--inactive]: the machine's one interface, without a filter.
interface() {
  "${virsh[@]}" dumpxml "$DOMAIN" "$@" | sed -n '/<interface /,/<\/interface>/p' | sed '/<filterref/,/<\/filterref>/d'
}

# named [--inactive]: whether the domain's definition names the filter with this address.
named() {
  "${virsh[@]}" dumpxml "$DOMAIN" "$@" | grep --after-context 1 "<filterref filter='clean-traffic'>" |
    grep --fixed-strings "value='$ADDRESS'" >/dev/null
}

# give --config|--live ''|--inactive FILTER
give() {
  local file
  file=$(mktemp)
  # shellcheck disable=SC2086 # without it there is no word
  interface $2 | sed "s|</interface>|$3</interface>|" >"$file"
  grep --ignore-case --quiet "address='$MAC'" "$file" || fail "$DOMAIN has no interface with the address $MAC"
  "${virsh[@]}" update-device "$DOMAIN" "$file" "$1" >/dev/null
  rm "$file"
}

# Whether the kernel has the rules: whoever flushes all of nft's tables takes those of libvirt along.
in_force() {
  local port
  port=$("${virsh[@]}" domiflist "$DOMAIN" | awk -v mac="$MAC" '$5 == mac { print $1 }')
  ebtables -t nat --list PREROUTING | grep --fixed-strings -e "-i $port " >/dev/null
}

answers() { timeout 5 bash -c "exec 3<>/dev/tcp/$ADDRESS/22" 2>/dev/null; }

# A machine that answered before and does not any more is not where it should be: better no filter than no machine.
still_answers() {
  local deadline=$((SECONDS + 20))
  until answers; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      give --live '' ''
      give --config --inactive ''
      fail "$DOMAIN did not answer at $ADDRESS any more with its port tied to $MAC; the port is free again. Look which addresses it uses: ip address"
    fi
    sleep 1
  done
}
