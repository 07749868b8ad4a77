# Brings the artifact's files from the host to the asset host. Only what is missing there is sent, and each file
# counts as arrived when its checksum is right, so that a run that was killed goes on at the file it was at.
: "${STORE:?directory on this host with files/<sha256>}"
: "${FILES:?one line each: checksum, bytes, path}"
: "${ROOT:?directory on the asset host}"
: "${ADDRESS:?address of the asset host}"
: "${PORT:?its SSH port}"
: "${LOGIN:?user to log in as}"
: "${PRIVATE_KEY:?key to log in with}"
: "${HOST_KEY?the key that its SSH server has to prove; empty where nobody has said it}"

# Megabytes between two lines of progress; also what a cut connection loses at most, beside one large file.
BATCH_MB=200

apply() {
  local missing
  command -v ssh >/dev/null || fail "ssh is missing on $(hostname): install openssh-client"
  one_at_a_time "$STORE/lock-${ROOT##*/}"
  open_connection
  missing=$(missing_files)
  if [ -z "$missing" ]; then
    say "the asset host has everything"
    return
  fi
  room_for "$missing"
  send "$missing"
  missing=$(missing_files)
  [ -z "$missing" ] || fail "$(wc -l <<<"$missing") files did not arrive whole at $ADDRESS, $(describe "$missing") among them; run up again"
}

# The key lies in memory, readable by root alone, and only until the connection that everything goes through stands.
open_connection() {
  local code=0 known
  PRIVATE=$(private_directory)
  trap 'ssh -q -o ControlPath="$PRIVATE/%C" -O exit "$LOGIN@$ADDRESS" 2>/dev/null || true; rm -rf "$PRIVATE"' EXIT
  install -m 0600 /dev/stdin "$PRIVATE/key" <<<"$PRIVATE_KEY"
  if [ -n "$HOST_KEY" ]; then
    printf 'asset-host %s\n' "$HOST_KEY" >"$PRIVATE/known_hosts"
    known=(-o StrictHostKeyChecking=yes -o UserKnownHostsFile="$PRIVATE/known_hosts" -o HostKeyAlgorithms=ssh-ed25519)
  else
    known=(-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
  fi
  ssh_options=(
    "${known[@]}"
    -q -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -p "$PORT"
    -o HostKeyAlias=asset-host -o GlobalKnownHostsFile=/dev/null
    -o ControlMaster=auto -o ControlPath="$PRIVATE/%C" -o ControlPersist=60
    -o ConnectTimeout=20 -o ServerAliveInterval=10 -o ServerAliveCountMax=6
  )
  # Root needs no sudo, and may have none.
  as_root=()
  [ "$LOGIN" = root ] || as_root=(sudo -n)
  on_asset_host -i "$PRIVATE/key" -- true || code=$?
  case $code in
    0) rm "$PRIVATE/key" ;;
    255) fail "the asset host does not answer: no SSH connection to $LOGIN@$ADDRESS port $PORT" ;;
    *) fail "$LOGIN may not use sudo without a password on the asset host at $ADDRESS" ;;
  esac
}

# on_asset_host [-i KEY] -- COMMAND...: without the lock, which the connection that stays open would keep.
on_asset_host() {
  local options=()
  until [ "$1" = -- ]; do
    options+=("$1")
    shift
  done
  shift
  # shellcheck disable=SC2029 # the words are to be what they are here
  ssh "${options[@]}" "${ssh_options[@]}" "$LOGIN@$ADDRESS" "${as_root[@]}" "$@" 9>&-
}

# settle SLOT...: gives what has arrived there its place if it is whole, and throws away the rest. That of a run that was
# killed goes on by itself to its end, hence the lock. A file's name says that all of it is there: not before it is on the
# disk.
settle() {
  on_asset_host -- bash -s <<EOF_REMOTE
set -euo pipefail
umask 022
mkdir -p '$ROOT/files' '$ROOT/incoming/'{0,1}
exec 9>>'$ROOT/lock'
flock 9
for slot in $*; do
  cd "$ROOT/incoming/\$slot"
  sync --file-system .
  find . -type f -printf '%P\0' | xargs -0 --no-run-if-empty sha256sum | awk '\$1 == \$2 { print \$2 }' |
    xargs --no-run-if-empty mv -t ../../files
  find . -type f -delete
done
EOF_REMOTE
}

missing_files() {
  local there
  { settle 0 1 && there=$(on_asset_host -- find "$ROOT/files" -type f -printf '"%f %s\n"'); } ||
    fail "the connection to the asset host at $ADDRESS broke; run up again, it goes on from there"
  # A power cut may have left one that is shorter.
  awk 'NR == FNR { there[$1, $2]; next } !(($1, $2) in there) && !seen[$1]++ { print $1, $2 }' <(printf '%s\n' "$there") - <<<"$FILES"
}

describe() {
  local sha
  read -r sha _ <<<"$1"
  awk -v sha="$sha" '$1 == sha { print $3; exit }' <<<"$FILES"
}

room_for() {
  local needed free
  needed=$(awk '{ bytes += $2 + 4096 } END { printf "%.0f", bytes }' <<<"$1")
  free=$(on_asset_host -- df --output=avail -B1 "$ROOT" | tail -n 1)
  [ "$free" -ge "$needed" ] ||
    fail "the asset host has $((free / 1000000)) MB free in $ROOT, and $((needed / 1000000)) MB are to come: enlarge its diskGB"
}

# In batches by turns into two slots: while one arrives, what is in the other is checked.
send() {
  local total sent=0 batch=() bytes=0 sha size slot=0 settling='' checked
  total=$(awk '{ bytes += $2 } END { printf "%.0f", bytes / 1000000 }' <<<"$1")
  say "sending $(wc -l <<<"$1") files, $total MB"
  while read -r sha size; do
    batch+=("$sha")
    bytes=$((bytes + size))
    if [ "$bytes" -ge $((BATCH_MB * 1000000)) ]; then
      send_batch
      sent=$((sent + bytes)) bytes=0 batch=()
      say "$((sent / 1000000)) of $total MB"
    fi
  done <<<"$1"
  [ "${#batch[@]}" = 0 ] || send_batch
  [ -z "$settling" ] || wait "$settling" || broken "$checked"
}

send_batch() {
  printf '%s\n' "${batch[@]}" |
    tar --create --file=- --directory "$STORE/files" --mode=u=rw,go=r --owner=0 --group=0 --numeric-owner --files-from=- |
    on_asset_host -- tar --extract --file=- --directory "$ROOT/incoming/$slot" || broken "${batch[0]}"
  [ -z "$settling" ] || wait "$settling" || broken "$checked"
  settle "$slot" &
  settling=$!
  checked=${batch[0]}
  slot=$((1 - slot))
}

broken() { fail "sending $(describe "$1 0") to the asset host at $ADDRESS failed; run up again, it goes on from there"; }
