# Looks at the machine that is to be the gateway before its firewall changes: the commands, the address, the ways.
: "${LOCAL_ADDRESS?address that it must have, empty if an interface is made for it}"
: "${MACHINES:?addresses of all machines}"

apply() {
  local address findings=()
  command -v nft >/dev/null || findings+=("the command nft is missing: install nftables")
  command -v ip >/dev/null || findings+=("the command ip is missing: install iproute2")
  nft --check --file - 2>/dev/null <<<'table inet wiab_gateway { chain c { type filter hook forward priority filter; fib saddr . iif oif != 0 accept; }; }' ||
    findings+=("the kernel or nft cannot look routes up in rules (nft_fib_inet)")
  [ -z "$LOCAL_ADDRESS" ] || [ -n "$(ip -4 -oneline address show to "$LOCAL_ADDRESS/32")" ] ||
    findings+=("it has no address $LOCAL_ADDRESS (firewall.publicAddress, or firewall.localAddress where a router translates it); it has $(ip -4 -brief address show scope global | awk '{ print $3 }' | paste -sd ' ')")
  for address in $MACHINES; do
    [ -n "$(ip -4 route get "$address" 2>/dev/null)" ] || findings+=("it has no route to the machine $address")
  done
  [ "${#findings[@]}" = 0 ] || {
    printf 'finding: %s\n' "${findings[@]}"
    fail "the gateway $(hostname) is not ready (${#findings[@]} findings above); nothing was changed"
  }
  say "the gateway $(hostname) is ready"
}
