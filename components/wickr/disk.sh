# Stands before the scripts that concern the disk: it by its serial number, and what is on it.
: "${SERIAL:?serial number of the disk that is encrypted}"
: "${KEY:?key of the disk, with the line feed that ends it}"
: "${UNLOCK:?keyFile or typed}"

# What tells an encrypted disk of ours: this label from the beginning, a token of this type once its file system was made.
label=wiab-wickr
# The header of LUKS2 takes 16 MiB, and the file system and Docker cannot do with less than this.
least_bytes=1073741824

# find_disk: the path of the one disk that has the serial number.
find_disk() {
  local found
  found=$(lsblk --nodeps --noheadings --raw --output PATH,SERIAL | awk -v serial="$SERIAL" '$2 == serial { print $1 }')
  [ -n "$found" ] || {
    echo "no disk has the serial number $SERIAL; there are: $(lsblk --nodeps --noheadings --raw --output NAME,SERIAL | awk 'NF == 2 { printf "%s%s (%s)", comma, $1, $2; comma = ", " }')"
    return 1
  }
  [ "$(wc -l <<<"$found")" = 1 ] || {
    echo "several disks have the serial number $SERIAL: $(paste -sd ' ' <<<"$found")"
    return 1
  }
  echo "$found"
}

# the_key: the key as cryptsetup takes it from its standard input; somebody can type one without a line feed alone.
the_key() { if [ "$UNLOCK" = typed ]; then printf '%s' "${KEY%$'\n'}"; else printf '%s' "$KEY"; fi; }

# opens DISK: whether the key is one of the disk's, with or without its line feed: the way to unlock may have changed.
# Keys come by process substitution: what does not read all of a pipe would end whoever writes it.
opens() {
  cryptsetup open --test-passphrase --key-file - "$1" 2>/dev/null < <(printf '%s' "$KEY") ||
    cryptsetup open --test-passphrase --key-file - "$1" 2>/dev/null < <(printf '%s' "${KEY%$'\n'}")
}

# what_is_on DISK: prints `empty`, `begun` (ours, and nothing was ever on it) or `ours`; otherwise fails, and prints what is
# on it. It only reads.
what_is_on() {
  local disk=$1 found use bytes
  bytes=$(blockdev --getsize64 "$disk")
  [ "$bytes" -ge "$least_bytes" ] || {
    echo "$disk has $((bytes / 1000000)) MB, too few for an encrypted file system: at least $((least_bytes / 1000000))"
    return 1
  }
  if [ "$(blkid --probe --match-tag TYPE --output value "$disk")" = crypto_LUKS ]; then
    what_is_encrypted_on "$disk"
    return
  fi
  use=$(use_of "$disk")
  [ -z "$use" ] || {
    echo "$disk is in use: $use"
    return 1
  }
  # 2 is the answer that there is nothing; what is unclear (8) is something.
  if found=$(blkid --probe --output export "$disk"); then
    found=$(awk -F = '$1 != "DEVNAME" { printf "%s%s %s", comma, $1, $2; comma = ", " }' <<<"$found")
  elif [ $? = 2 ]; then
    echo empty
    return
  else
    found="several things at once"
  fi
  echo "$disk is not empty: $found. If nobody needs it: wipefs --all $disk"
  return 1
}

# use_of DISK: what the machine does with a disk that is not encrypted; nothing if it does nothing.
use_of() {
  lsblk --noheadings --pairs --output PATH,TYPE,MOUNTPOINT "$1" | awk -F '"' '
    NR == 1 && $6 { printf "%smounted on %s", comma, $6; comma = ", " }
    NR > 1 { printf "%s%s %s%s", comma, $4, $2, ($6 ? " mounted on " $6 : ""); comma = ", " }'
  awk -v disk="$1" '$1 == disk { printf "swap" }' /proc/swaps
}

# what_is_encrypted_on DISK. One that the guide's script has encrypted has neither our label nor a token, and is ours if our
# key opens it.
what_is_encrypted_on() {
  local header begun=''
  # Read once and whole: a header that cannot be read is never taken for one without a token.
  header=$(cryptsetup luksDump "$1") || {
    echo "$1 has a LUKS header that cannot be read"
    return 1
  }
  if grep -Eq "^Label:[[:space:]]+$label\$" <<<"$header" && ! grep -Eq "^ +[0-9]+: $label\$" <<<"$header"; then begun=yes; fi
  if opens "$1"; then
    if [ "$begun" ]; then echo begun; else echo ours; fi
  elif [ "$begun" ] && ! grep -Eq '^ +[0-9]+: luks2$' <<<"$header"; then
    # Killed between its header and its first key: nobody has ever opened it.
    echo begun
  else
    echo "$1 is encrypted with another key (LUKS, UUID $(cryptsetup luksUUID "$1")): give the key that it has, or another disk"
    return 1
  fi
}
