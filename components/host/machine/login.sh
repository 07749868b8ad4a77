# The first look inside a machine: cloud-init's own verdict, its name and address, and who may log in.
: "${NAME:?host name that it must have}"
: "${ADDRESS:?address that it must have}"
: "${LOGIN:?user who logs in}"
: "${BOOTED?changes when the machine was made anew; empty for one that is used as it is}"
: "${AUTHORIZED_KEYS?the only keys that may log in, empty for a machine that is used as it is}"

apply() {
  check_cloud_init
  [ "$(hostname --short)" = "$NAME" ] || fail "the machine at $ADDRESS calls itself $(hostname --short), not $NAME"
  [ -n "$(ip -4 -oneline address show to "$ADDRESS/32")" ] || fail "$NAME does not have the address $ADDRESS"
  [ -z "$AUTHORIZED_KEYS" ] || close_to_others
  say "$NAME is ready, and its ID is"
  cat /etc/machine-id
}

close_to_others() {
  keep_keys
  # Not grep -q: it leaves early, sshd dies of it, and pipefail takes that for "not found".
  ! sshd -T 2>/dev/null | grep -x 'passwordauthentication yes' >/dev/null ||
    fail "$NAME lets users log in over SSH with a password; set PasswordAuthentication no"
}

# cloud-init writes its verdict when it has finished; asking its command instead costs seconds of emulated Python.
check_cloud_init() {
  local verdict=/run/cloud-init/result.json
  [ -e /run/cloud-init/enabled ] || return 0
  wait_for "cloud-init's verdict on $NAME" 600 test -s "$verdict"
  tr -d ' \n' <"$verdict" | grep -qF '"errors":[]' || {
    tail -n 40 /var/log/cloud-init-output.log || true
    fail "cloud-init on $NAME has failed: $(cat "$verdict")"
  }
}

keep_keys() {
  local home file group
  home=$(getent passwd "$LOGIN" | cut -d : -f 6) || true
  [ -n "$home" ] || fail "$NAME has no user $LOGIN"
  file=$home/.ssh/authorized_keys
  if [ "$(cat "$file" 2>/dev/null)" != "$AUTHORIZED_KEYS" ]; then
    group=$(id -g "$LOGIN")
    install -d -m 0700 -o "$LOGIN" -g "$group" "$home/.ssh"
    install -m 0600 -o "$LOGIN" -g "$group" /dev/stdin "$file" <<<"$AUTHORIZED_KEYS"
  fi
}
