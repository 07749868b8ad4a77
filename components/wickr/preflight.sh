# Looks at the machine before anything on it is changed, and fails with all findings at once.
: "${WAIVE?rules that need not be kept, one a line}"
: "${VCPUS:?}" "${MEMORY_GIB:?}" "${ROOT_GB:?}" "${DISK_GB:?}"
: "${HOSTNAME_OF_SERVER:?name or address that clients use}"

findings=()

# finds RULE TEXT: a rule that is not kept; one that the operator has waived is told, and no more.
finds() {
  if grep -qx "$1" <<<"$WAIVE"; then
    say "waived: $2"
  else
    findings+=("$2 (wickr.waive: $1)")
  fi
}
# must TEXT: what nothing helps against.
must() { findings+=("$1"); }

apply() {
  system
  size
  encrypted_disk
  docker_version
  ports
  [ "${#findings[@]}" = 0 ] ||
    fail "$(hostname) cannot carry Wickr, nothing was changed:$(printf '\n  - %s' "${findings[@]}")"
  say "$(hostname) can carry Wickr"
}

system() {
  local release kernel
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "$ID $VERSION_ID")
  case $release in
    "ubuntu 18.04" | "ubuntu 20.04") ;;
    *) finds system "it runs $release: Wickr is for Ubuntu 18.04 or 20.04" ;;
  esac
  kernel=$(uname -r)
  printf '3.10\n%s\n' "$kernel" | sort --version-sort --check=quiet || must "its kernel is $kernel: at least 3.10"
  [ "$(uname -m)" = x86_64 ] || must "its processor is $(uname -m): Wickr's images are for x86_64"
  [ -d /run/systemd/system ] || must "it has no systemd, whose units wait for the disk"
  if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
    finds accessControl "AppArmor is on: the guide wants it off (apparmor=0 on the kernel's command line)"
  fi
  if [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ]; then
    finds accessControl "SELinux is enforcing: the guide wants it permissive or off"
  fi
  command -v python3 >/dev/null || must "it lacks python3"
}

size() {
  local processors memory root
  processors=$(nproc)
  [ "$processors" -ge "$VCPUS" ] || finds processors "it has $processors processors: at least $VCPUS"
  memory=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
  # Of what a machine has the kernel keeps some; a sixteenth covers that.
  [ "$memory" -ge $((MEMORY_GIB * 1024 * 1024 * 15 / 16)) ] ||
    finds memory "it has $((memory / 1024)) MiB of memory: at least $MEMORY_GIB GiB"
  root=$(df --output=size --block-size=1000000000 / | tail -n 1 | tr -d ' ')
  [ "$root" -ge "$ROOT_GB" ] || finds rootSpace "its / has $root GB: the installer's own check wants $ROOT_GB"
}

encrypted_disk() {
  local disk bytes state
  disk=$(find_disk) || {
    must "$disk"
    return
  }
  bytes=$(blockdev --getsize64 "$disk")
  [ "$bytes" -ge $((DISK_GB * 1000000000)) ] ||
    finds diskSpace "its disk $disk has $((bytes / 1000000000)) GB: at least $DISK_GB"
  # Nothing is installed before the machine has passed: without cryptsetup the volume's script is who says whose it is.
  if command -v cryptsetup >/dev/null || [ "$(blkid --probe --match-tag TYPE --output value "$disk")" != crypto_LUKS ]; then
    state=$(what_is_on "$disk") || must "$state"
  fi
}

docker_version() {
  local version
  command -v dockerd >/dev/null || return 0
  version=$(dockerd --version | sed -n 's/^Docker version \([0-9.]*\).*/\1/p')
  case $version in
    20.10.*) ;;
    *) finds dockerVersion "it has Docker $version: the guide wants 20.10.17" ;;
  esac
}

# Ports that something else than Wickr has.
ports() {
  local used
  # Once it is installed they are Wickr's own.
  [ ! -e /var/lib/wiab/wickr/installed ] || return 0
  used=$(ss --no-header --tcp --listening --numeric | awk '{ sub(/.*:/, "", $4); port = $4 } port == 443 || port == 8800 || (port >= 9870 && port <= 9881) { print port }' | sort --numeric-sort --unique | paste --serial --delimiters ' ')
  [ -z "$used" ] || must "something listens on TCP ports of Wickr's already: $used"
  getent hosts "$HOSTNAME_OF_SERVER" >/dev/null || must "it cannot resolve $HOSTNAME_OF_SERVER: make its DNS record"
}
