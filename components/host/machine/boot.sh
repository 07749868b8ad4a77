# Waits on the host until a machine has booted: its SSH server answers and cloud-init says on the serial
# console that it has finished. If it does not come up, the error carries the end of that console.
: "${DOMAIN:?libvirt domain}"
: "${DOMAIN_ID:?its UUID: a domain that was made anew is waited for anew}"
: "${ADDRESS:?address of the machine}"
: "${CONSOLE:?file with the output of its serial console}"
: "${FINISHED:?what cloud-init prints at its end}"
: "${SECONDS_TO_BOOT:?how long it may take}"

virsh=(virsh --connect qemu:///system)

running() { [ "$("${virsh[@]}" domstate "$DOMAIN" 2>/dev/null)" = running ]; }

# The kernel must know the address on a bridge: otherwise the question would leave the host by its uplink.
answers() {
  local banner
  ip -oneline route get "$ADDRESS" 2>/dev/null | grep -qv ' via ' || return 1
  banner=$({ exec 3<>"/dev/tcp/$ADDRESS/22" && timeout 5 head -c 4 <&3; } 2>/dev/null) && [ "$banner" = SSH- ]
}

finished() { grep -qaF "$FINISHED" "$CONSOLE" 2>/dev/null; }

describe() {
  local state
  state=$("${virsh[@]}" domstate "$DOMAIN" 2>&1 | head -n 1)
  printf 'domain is %s, SSH %s, cloud-init %s' "$state" \
    "$(answers && echo answers || echo 'does not answer')" "$(finished && echo 'has finished' || echo 'has not finished')"
}

apply() {
  local deadline=$((SECONDS + SECONDS_TO_BOOT))
  until finished && answers; do
    running || give_up "$DOMAIN has stopped"
    [ "$SECONDS" -lt "$deadline" ] || give_up "$DOMAIN did not come up within $SECONDS_TO_BOOT s ($(describe))"
    sleep 1
  done
  say "$DOMAIN answers at $ADDRESS"
}

remove() { rm -f "$CONSOLE"; }

give_up() {
  printf 'the end of its serial console (%s):\n' "$CONSOLE"
  tail -n 40 "$CONSOLE" 2>/dev/null | tr -d '\r' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/^/  | /'
  fail "$1"
}
