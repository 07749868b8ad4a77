# Waits on the host until a machine has booted: its SSH server answers and cloud-init says on the serial
# console that it has finished. If it does not come up, the error carries the end of that console.
: "${DOMAIN:?libvirt domain}"
: "${DOMAIN_ID:?its UUID: a domain that was made anew is waited for anew}"
: "${ADDRESS:?address of the machine}"
: "${CONSOLE:?file with the output of its serial console}"
: "${FINISHED:?what cloud-init prints at its end}"
# The one of the stack's is in cloud-init's data; a machine that was made before there was one has its own.
: "${HOST_KEY:?the key that its SSH server should have}"
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
  host_key
}

# Asked on the bridge, where nobody is between. The last line is the key that the program takes the machine by from now on.
host_key() {
  local seen
  seen=$(ssh-keyscan -T 20 -t ed25519 "$ADDRESS" 2>/dev/null | awk '$2 == "ssh-ed25519" { print $2, $3; exit }')
  [ -n "$seen" ] || give_up "$DOMAIN shows no Ed25519 host key"
  [ "$seen" = "$(awk '{ print $1, $2 }' <<<"$HOST_KEY")" ] ||
    say "$DOMAIN has a host key that is not the stack's: it was made before the stack had one. It is known by its own from now on; made anew, it gets the stack's."
  say "$seen"
}

remove() { rm -f "$CONSOLE"; }

give_up() {
  printf 'the end of its serial console (%s):\n' "$CONSOLE"
  tail -n 40 "$CONSOLE" 2>/dev/null | tr -d '\r' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/^/  | /'
  fail "$1"
}
