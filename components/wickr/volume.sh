# The encrypted volume: an empty disk is formatted, ours is opened, anything else is refused with what is on it. Every step
# looks first, so that a run that was killed anywhere is finished by the next.
# The disk may have grown since: the file system follows.
: "${SIZE?in GB, of a disk that the stack makes}"
mapping=cryptfs
mount_point=/cryptfs
key_file=/etc/crypttab.keyfile
header_copy=/var/lib/wiab/wickr/luks-header

apply() {
  local disk state
  one_at_a_time /run/wiab-wickr-volume.lock
  install_packages cryptsetup e2fsprogs
  disk=$(find_disk) || fail "$disk"
  state=$(what_is_on "$disk") || fail "$state"
  [ "$state" = ours ] || format "$disk" "$state"
  keep_key "$disk"
  open_it "$disk"
  boot_entries "$disk"
  grow
  keep_header "$disk"
  say "volume: $(cryptsetup luksUUID "$disk")"
}

# format DISK STATE: an encrypted file system on a disk that has nothing, or nothing but our own beginning.
format() {
  local disk=$1 mapped=/dev/mapper/$mapping
  # The mapping of an earlier run that was killed may be open still.
  if [ "$2" = empty ] || ! opens "$disk"; then
    # All of it is said, since defaults differ between releases: 18.04 makes LUKS1, later ones derive with Argon2.
    cryptsetup luksFormat --batch-mode --type luks2 --label "$label" --pbkdf pbkdf2 --hash sha256 \
      --cipher aes-xts-plain64 --key-size 512 --key-file - "$disk" < <(the_key) ||
      fail "$disk cannot be encrypted"
  fi
  unlock "$disk"
  mkfs.ext4 -q -F -L "$mapping" "$mapped" || fail "no file system can be made on $mapped"
  sync "$mapped"
  # From here on the disk is never formatted again.
  cryptsetup token import --json-file - "$disk" < <(printf '{"type":"%s","keyslots":[]}' "$label") || fail "$disk takes no token"
}

# keep_key DISK: the key slot fits the way to unlock, and the file with the key is there only if a boot opens the disk with it.
keep_key() {
  local folder
  folder=$(private_directory)
  # shellcheck disable=SC2064
  trap "rm -rf '$folder'" EXIT
  if ! cryptsetup open --test-passphrase --key-file - "$1" 2>/dev/null < <(the_key); then
    the_key >"$folder/new"
    cryptsetup luksChangeKey --batch-mode --pbkdf pbkdf2 --hash sha256 --key-file - "$1" "$folder/new" < <(former_key) ||
      fail "the key of $1 cannot be changed to one for $UNLOCK"
  fi
  rm -rf "$folder"
  if [ "$UNLOCK" = keyFile ]; then
    holds "$key_file" "$KEY" || put "$key_file" "$KEY" 0400 root:root
    chmod 0400 "$key_file"
  elif [ -e "$key_file" ]; then
    shred --remove "$key_file"
  fi
}

# former_key: the key as it was for the other way to unlock.
former_key() { if [ "$UNLOCK" = typed ]; then printf '%s' "$KEY"; else printf '%s' "${KEY%$'\n'}"; fi; }

unlock() {
  [ -e "/dev/mapper/$mapping" ] || cryptsetup open --key-file - "$1" "$mapping" < <(the_key) || fail "$1 cannot be opened"
}

open_it() {
  unlock "$1"
  [ "$(blkid --probe --match-tag TYPE --output value "/dev/mapper/$mapping")" = ext4 ] ||
    fail "the file system of Wickr on $1 is not there any more, though it was made: nothing was changed; look at it with fsck.ext4, or restore"
  mkdir -p "$mount_point"
  mountpoint --quiet "$mount_point" || {
    # What is written here while the disk is not there would be in clear, and hidden once it is.
    [ -z "$(ls -A "$mount_point")" ] ||
      fail "$mount_point has files though nothing is mounted there: they are in clear; move them away"
    chattr +i "$mount_point" 2>/dev/null || true
    mount "/dev/mapper/$mapping" "$mount_point" || fail "/dev/mapper/$mapping cannot be mounted"
  }
  [ "$(realpath "$(cryptsetup status "$mapping" | awk '$1 == "device:" { print $2 }')")" = "$(realpath "$1")" ] ||
    fail "/dev/mapper/$mapping is another disk than $1: close it first"
  [ "$(realpath "$(findmnt --noheadings --output SOURCE --mountpoint "$mount_point")")" = "$(realpath "/dev/mapper/$mapping")" ] ||
    fail "something else than /dev/mapper/$mapping is mounted on $mount_point"
}

# boot_entries DISK: crypttab and fstab by UUID; a boot goes on without the disk, and Docker without it does not.
boot_entries() {
  local by_key=$key_file
  [ "$UNLOCK" = keyFile ] || by_key=none
  entry /etc/crypttab "$mapping" 1 "$mapping UUID=$(cryptsetup luksUUID "$1") $by_key luks,nofail"
  entry /etc/fstab "$mount_point" 2 \
    "UUID=$(blkid --probe --match-tag UUID --output value "/dev/mapper/$mapping") $mount_point ext4 defaults,nofail,x-systemd.requires=systemd-cryptsetup@$mapping.service 0 2"
  for folder in docker-data replicated; do install -d -m 0711 "$mount_point/$folder"; done
  # Replicated keeps its own there, in clear if nobody sees to it.
  mkdir -p /var/lib/replicated
  entry /etc/fstab /var/lib/replicated 2 \
    "$mount_point/replicated /var/lib/replicated none bind,nofail,x-systemd.requires-mounts-for=$mount_point 0 0"
  mountpoint --quiet /var/lib/replicated || {
    [ -z "$(ls -A /var/lib/replicated)" ] ||
      fail "/var/lib/replicated has files in clear from an installation without encryption: move them away"
    mount --bind "$mount_point/replicated" /var/lib/replicated
  }
  put_once /etc/systemd/system/docker.service.d/wickr.conf "[Unit]
RequiresMountsFor=$mount_point /var/lib/replicated
"
  docker_root
  systemctl daemon-reload
  [ -z "${docker_changed:-}" ] || systemctl try-restart docker.service
}

# entry FILE NAME FIELD LINE: the one line that has the name in that field.
entry() {
  local rest text
  rest=$(awk -v name="$2" -v field="$3" '$field != name' "$1" 2>/dev/null || true)
  text="${rest:+$rest$'\n'}$4"$'\n'
  holds "$1" "$text" || put "$1" "$text"
}

put_once() { holds "$1" "$2" || put "$1" "$2"; }

# docker_root: Docker's data are on the volume; whatever else its file says stays.
docker_root() {
  local file=/etc/docker/daemon.json text
  text=$(python3 - "$file" "$mount_point/docker-data" <<'PYTHON'
import json, os, sys
path, root = sys.argv[1:]
settings = {}
if os.path.exists(path) and os.path.getsize(path):
    with open(path) as file:
        settings = json.load(file)
print(json.dumps({**settings, "data-root": root}, indent=2))
PYTHON
  ) || fail "$file cannot be read as JSON: mend it"
  holds "$file" "$text"$'\n' || {
    put "$file" "$text"$'\n'
    docker_changed=yes
  }
}

# grow: the volume fills its disk, and the file system the volume.
grow() {
  local mapped=/dev/mapper/$mapping
  cryptsetup resize --key-file - "$mapping" < <(the_key) || fail "the volume does not grow to its disk"
  resize2fs "$mapped" >/dev/null 2>&1 || fail "the file system on $mapped does not grow to its disk"
}

# keep_header DISK: without its header nobody opens the disk again, key or not.
keep_header() {
  local copy=$header_copy.new
  install -d -m 0700 "$(dirname "$header_copy")"
  rm -f "$copy"
  cryptsetup luksHeaderBackup "$1" --header-backup-file "$copy" || fail "the header of $1 cannot be copied"
  if cmp --quiet "$copy" "$header_copy"; then rm -f "$copy"; else mv --force "$copy" "$header_copy"; fi
}
