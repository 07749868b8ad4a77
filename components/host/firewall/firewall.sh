# The host's firewall: one nft table, what brings it back at boot, and forwarding. Rules that could lock
# the operator out are loaded on probation (GUARD_SECONDS): a background process brings the former ones
# back unless this script runs again, over a new connection, before the time is up.
: "${NAME:?name of the nft table, family inet}"
: "${RULESET:?the rules, a whole nft file that replaces the table}"
: "${COMMENT:?comment by which our table is known}"
: "${STEP:?load, or confirm: whether this run may leave rules on probation}"
: "${GUARD_SECONDS:?how long rules are on probation, 0 if they need none}"
: "${DIRECTORY:?where the rules are kept}"
: "${SYSCTL_FILE:?file that turns forwarding on at boot}"
: "${UNIT_FILE:?file of the systemd unit}"
: "${UNIT:?text of the systemd unit}"
: "${PUBLIC_ADDRESS:?address whose ports are forwarded}"
: "${PUBLIC_INTERFACE=}" # interface to make for it; empty for none
: "${ALIAS:?mark of the interfaces that this script makes}"

listing() { nft --stateless list table inet "$NAME"; }
loaded() { listing 2>/dev/null || true; }

# The rules on standard input as the kernel gives them back, found out in an empty network of their own:
# what is written and what is listed differ in form, and broken rules are met where they break nothing.
listing_of_input() {
  unshare --net bash -c "$(declare -p NAME; declare -f listing); nft -f - && listing"
}

# One run at a time, and none while the former rules are being brought back.
lock() {
  mkdir -p "$DIRECTORY"
  exec 9>>"$DIRECTORY/lock"
  flock -w 30 9 || fail "another run on this firewall has held $DIRECTORY/lock for 30 s"
}

refuse_foreign_table() {
  local table
  table=$(loaded)
  case $table in
  '' | *"comment \"$COMMENT\""*) ;;
  *) fail "this host has an nft table \"inet $NAME\" of another origin; rename the network, or delete that table if nobody needs it" ;;
  esac
}

interfaces_of_ours() {
  local file
  for file in /sys/class/net/*/ifalias; do
    if [ "$(cat "$file")" = "$ALIAS" ]; then basename "$(dirname "$file")"; fi
  done
}

# A bridge that nobody uses: ours if a run ended before it had marked it.
unused_bridge() {
  [ -d "/sys/class/net/$1/brif" ] && [ -z "$(ls "/sys/class/net/$1/brif")$(ip -o address show dev "$1")" ]
}

# A bridge without ports does for a dummy interface: not every kernel has those, while libvirt needs bridges.
public_interface() {
  local device addresses
  for device in $(interfaces_of_ours); do
    if [ "$device" != "$PUBLIC_INTERFACE" ]; then ip link delete "$device"; fi
  done
  [ -n "$PUBLIC_INTERFACE" ] || return 0
  [ -e "/sys/class/net/$PUBLIC_INTERFACE" ] || ip link add "$PUBLIC_INTERFACE" type bridge
  if [ "$(cat "/sys/class/net/$PUBLIC_INTERFACE/ifalias")" != "$ALIAS" ]; then
    unused_bridge "$PUBLIC_INTERFACE" ||
      fail "the interface $PUBLIC_INTERFACE exists and was not made for this firewall; choose another name for the public interface"
    ip link set "$PUBLIC_INTERFACE" alias "$ALIAS"
  fi
  addresses=$(ip -o -4 address show dev "$PUBLIC_INTERFACE" | awk '{ print $4 }')
  if [ "$addresses" != "$PUBLIC_ADDRESS/32" ]; then
    ip -4 address flush dev "$PUBLIC_INTERFACE"
    ip address add "$PUBLIC_ADDRESS/32" dev "$PUBLIC_INTERFACE"
  fi
  ip link set "$PUBLIC_INTERFACE" up
}

forwarding() {
  if [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 0 ]; then echo 1 >/proc/sys/net/ipv4/ip_forward; fi
}

# The background process that ends a probation. It believes in its task only while guard.pid names it.
guard() {
  sleep "$GUARD_SECONDS"
  exec 9>>"$DIRECTORY/lock"
  flock 9
  [ "$(cat "$DIRECTORY/guard.pid" 2>/dev/null)" = $$ ] || exit 0
  # Better no rules of ours than rules that lock out.
  nft -f "$DIRECTORY/former.nft" || nft delete table inet "$NAME"
  rm "$DIRECTORY/guard.pid" "$DIRECTORY/former.nft"
  date --iso-8601=seconds >"$DIRECTORY/withdrawn"
}

# The group too, for its sleep; but not if the number has gone to another process since.
end_guard() {
  if grep -qsF "DIRECTORY=\"$DIRECTORY\"" "/proc/$1/cmdline"; then kill -- "-$1" || true; fi
}

# Called before the new rules are loaded, so that no moment is unguarded.
arm_guard() {
  local former=
  if [ -f "$DIRECTORY/guard.pid" ]; then
    # On probation already: what to come back to is what was there before that.
    former=$(cat "$DIRECTORY/guard.pid")
  else
    printf 'add table inet %s\ndelete table inet %s\n%s\n' "$NAME" "$NAME" "$(loaded)" >"$DIRECTORY/former.nft"
  fi
  rm -f "$DIRECTORY/withdrawn"
  # A session of its own: the connection that brought us here may be the one that the rules cut.
  setsid bash -c "$(declare -p NAME DIRECTORY GUARD_SECONDS; declare -f guard); guard" \
    </dev/null >/dev/null 2>&1 9>&- &
  echo $! >"$DIRECTORY/guard.pid"
  if [ -n "$former" ]; then end_guard "$former"; fi
}

end_probation() {
  if [ -f "$DIRECTORY/guard.pid" ]; then
    end_guard "$(cat "$DIRECTORY/guard.pid")"
    say "a new connection came through, so the former rules do not come back"
  fi
  rm -f "$DIRECTORY/guard.pid" "$DIRECTORY/former.nft" "$DIRECTORY/withdrawn"
}

# What a reboot brings back. Rules on probation are not among it: a reboot is a way out as well.
keep() {
  made output "nft --stateless list table inet $NAME"
  made output "cat /proc/sys/net/ipv4/ip_forward"
  local sysctl=$'net.ipv4.ip_forward = 1\n'
  holds "$DIRECTORY/ruleset.nft" "$RULESET" || put "$DIRECTORY/ruleset.nft" "$RULESET"
  holds "$SYSCTL_FILE" "$sysctl" || put "$SYSCTL_FILE" "$sysctl"
  if [ ! -d /run/systemd/system ]; then
    say "systemd does not run here, so nothing loads the rules of $DIRECTORY/ruleset.nft after a reboot"
    return
  fi
  if ! holds "$UNIT_FILE" "$UNIT"; then
    put "$UNIT_FILE" "$UNIT"
    systemctl daemon-reload
  fi
  if ! systemctl --quiet is-enabled "${UNIT_FILE##*/}" || ! systemctl --quiet is-active "${UNIT_FILE##*/}"; then
    systemctl --quiet enable --now "${UNIT_FILE##*/}"
  fi
}

apply() {
  local wanted withdrawn
  command -v nft >/dev/null || fail "nft is missing on this host: install the package nftables"
  lock
  refuse_foreign_table
  wanted=$(listing_of_input <<<"$RULESET" 2>&1) ||
    fail "nft refuses the rules of table $NAME; those in place are unchanged: $wanted"
  public_interface
  forwarding

  if [ "$(loaded)" = "$wanted" ]; then
    end_probation
    keep
    return
  fi
  withdrawn=$(cat "$DIRECTORY/withdrawn" 2>/dev/null || true)
  if [ "$GUARD_SECONDS" != 0 ]; then arm_guard; fi
  nft -f - <<<"$RULESET"
  [ "$(loaded)" = "$wanted" ] || fail "table $NAME was loaded, yet it is not what it should be: $(loaded)"
  if [ "$GUARD_SECONDS" = 0 ]; then
    end_probation
    keep
  elif [ "$STEP" = confirm ]; then
    fail "the rules of table $NAME were not in place any more${withdrawn:+: no new connection confirmed them, so the former ones came back at $withdrawn}. They are loaded again for $GUARD_SECONDS s: run \"up\" again within that time to confirm them. If it cannot connect, wait until they are gone, then correct the SSH port or turn the hardening of the host off"
  else
    say "loaded on probation; without a new connection the former rules come back in $GUARD_SECONDS s"
  fi
}

remove() {
  local device
  lock
  refuse_foreign_table
  end_probation
  if [ -d /run/systemd/system ] && [ -f "$UNIT_FILE" ]; then
    systemctl --quiet disable --now "${UNIT_FILE##*/}"
    rm "$UNIT_FILE"
    systemctl daemon-reload
  fi
  if [ -n "$(loaded)" ]; then nft delete table inet "$NAME"; fi
  for device in $(interfaces_of_ours); do ip link delete "$device"; done
  # Forwarding itself stays on: libvirt turns it on for its networks too.
  rm -f "$SYSCTL_FILE"
  rm -rf "$DIRECTORY"
  rmdir --ignore-fail-on-non-empty "$(dirname "$DIRECTORY")"
}
