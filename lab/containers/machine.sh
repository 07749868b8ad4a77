#!/bin/bash
# A machine of the lab that is no virtual machine but a container: the guest image's own systemd, in namespaces and on a
# disk of its own, on the processors and the kernel of the host. Runs as root on the host.
#   machine.sh start   makes what is missing and starts it in the background
#   machine.sh cut     ends it at once, as a power cut does
#   machine.sh boot    starts it again as it was
#   machine.sh unplug  takes its cable out
#   machine.sh plug    puts it in again
#   machine.sh pause   stops all its processes where they are, as a hypervisor does
#   machine.sh resume  lets them go on
#   machine.sh stop    ends it and takes it away with its disk
set -euo pipefail
: "${NAME:?its name on the host}" "${DIRECTORY:?folder for its disk}"

ROOT=$DIRECTORY/root
SETTINGS=(IMAGE DISK_BYTES SEED HOSTNAME ADDRESS GATEWAY BRIDGE LINK MEMORY_BYTES)

start() {
  : "${IMAGE:?guest image, qcow2}" "${DISK_BYTES:?size of the disk}" "${SEED:?folder with cloud-init files}"
  : "${HOSTNAME:?its own name}" "${ADDRESS:?address with prefix length}" "${GATEWAY:?host in its network}"
  : "${BRIDGE:?bridge of the network}" "${LINK:?name of its cable on the host}" "${MEMORY_BYTES:?most that it may use}"
  ! running || return 0
  mkdir -p "$ROOT"
  for setting in "${SETTINGS[@]}"; do printf '%s=%q\n' "$setting" "${!setting}"; done >"$DIRECTORY/settings"
  export "${SETTINGS[@]}"
  if [ ! -e "$DIRECTORY/disk" ]; then
    qemu-img convert -O raw "$IMAGE" "$DIRECTORY/disk.new"
    truncate -s "$DISK_BYTES" "$DIRECTORY/disk.new"
    e2fsck -fp "$DIRECTORY/disk.new" >/dev/null
    resize2fs "$DIRECTORY/disk.new" >/dev/null 2>&1
    mv "$DIRECTORY/disk.new" "$DIRECTORY/disk"
  fi
  mountpoint --quiet "$ROOT" || mount -o loop,discard "$DIRECTORY/disk" "$ROOT"
  furnish
  forget_groups
  rm -f "$DIRECTORY/ready"
  setsid --fork "$0" run >"$DIRECTORY/log" 2>&1 </dev/null
}

boot() {
  # shellcheck source=/dev/null
  . "$DIRECTORY/settings"
  start
}

cut() {
  # What is paused would not end.
  resume 2>/dev/null || true
  darken
  ! running || kill -KILL "$(cat "$DIRECTORY/pid")"
  for _ in $(seq 100); do
    running || break
    sleep 0.1
  done
  release
}

# What programs have written without having it synchronized goes with the power, and to the host's memory without this.
# The kernel's own switch for it is EXT4_IOC_SHUTDOWN, here with EXT4_GOING_FLAGS_NOLOGFLUSH.
darken() {
  ! mountpoint --quiet "$ROOT" ||
    python3 -c 'import fcntl, os, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, b"\2\0\0\0")' "$ROOT"
}

# Lets go of the disk, which nobody can write to since it is dark. Whatever has begun in a mount namespace of its own since
# the disk was mounted has it, too.
release() {
  local other
  for _ in $(seq 300); do
    ! mountpoint --quiet "$ROOT" || umount "$ROOT" 2>/dev/null || true
    [ -n "$(losetup --associated "$DIRECTORY/disk")" ] || return 0
    for other in $(lsns --type mnt --noheadings --output PID); do
      nsenter --target "$other" --mount umount "$ROOT" 2>/dev/null || true
    done
    sleep 0.1
  done
  echo "the disk of $NAME is still in use: losetup --associated $DIRECTORY/disk" >&2
  return 1
}

unplug() { ip link set "$(cat "$DIRECTORY/link")" down; }

plug() { ip link set "$(cat "$DIRECTORY/link")" up; }

pause() { freeze 1 FROZEN; }

resume() { freeze 0 THAWED; }

# Control groups of version 2 have a switch, those of version 1 a hierarchy of their own for it.
freeze() {
  local group found=0
  for group in $(groups); do
    if [ -e "$group/cgroup.freeze" ]; then echo "$1" >"$group/cgroup.freeze"
    elif [ -e "$group/freezer.state" ]; then echo "$2" >"$group/freezer.state"
    else continue; fi
    found=1
  done
  [ "$found" = 1 ] || { echo "this kernel cannot stop a group of processes" >&2; return 1; }
}

# What a container needs besides what the image has.
furnish() {
  mkdir -p "$ROOT/var/lib/cloud/seed/nocloud"
  cp "$SEED/user-data" "$SEED/meta-data" "$ROOT/var/lib/cloud/seed/nocloud/"
  printf '[Match]\nName=eth0\n[Network]\nAddress=%s\nGateway=%s\nDNS=%s\n' "$ADDRESS" "$GATEWAY" "$GATEWAY" \
    >"$ROOT/etc/systemd/network/10-container.network"
  # Its disk has its full size already.
  : >"$ROOT/etc/fstab"
  # Modules and the settings of the kernel as a whole are the host's.
  printf '#!/bin/sh\n# The kernel is the host'\''s: what it lacks, nobody here can load.\n' >"$ROOT/usr/local/sbin/modprobe"
  chmod 755 "$ROOT/usr/local/sbin/modprobe"
  ln -sf /dev/null "$ROOT/etc/systemd/system/systemd-sysctl.service"
  ln -sf /dev/null "$ROOT/etc/systemd/system/systemd-udevd.service"
  # Elasticsearch refuses to start with fewer open files than this, and nobody in here may have more than the host's
  # administrator has. It does not look where Java cannot tell it.
  if [ "$(ulimit -Hn)" != unlimited ] && [ "$(ulimit -Hn)" -lt 65535 ]; then
    mkdir -p "$ROOT/etc/systemd/system/elasticsearch.service.d"
    printf '[Service]\nEnvironment=JDK_JAVA_OPTIONS=--limit-modules=%s\n' \
      java.se,jdk.crypto.ec,jdk.unsupported,jdk.zipfs >"$ROOT/etc/systemd/system/elasticsearch.service.d/container.conf"
  fi
}

# Starts the machine's first process, and keeps its cable in the bridge for as long as it lives: the bridge comes with
# the stack's network, perhaps long after the machine.
run() {
  local group first
  for group in $(groups); do
    mkdir -p "$group"
    # An empty set of processors lets nobody in.
    [ ! -e "$group/cpuset.mems" ] || for set in cpus mems; do cat "$group/../cpuset.$set" >"$group/cpuset.$set"; done
    [ ! -e "$group/memory.limit_in_bytes" ] || echo "$MEMORY_BYTES" >"$group/memory.limit_in_bytes"
    [ ! -e "$group/memory.max" ] || echo "$MEMORY_BYTES" >"$group/memory.max"
  done
  unshare --mount --uts --ipc --net --fork --kill-child --pid "$0" first &
  first=$!
  echo "$first" >"$DIRECTORY/pid"
  trap 'kill -KILL "$first" 2>/dev/null || true' EXIT
  until child=$(pgrep --parent "$first") && [ -e "$DIRECTORY/ready" ]; do sleep 0.2; done
  # One of a former life goes with the last of its processes.
  ! ip link show "$LINK" >/dev/null 2>&1 || ip link delete "$LINK"
  echo "$LINK" >"$DIRECTORY/link"
  ip link add "$LINK" type veth peer name eth0 netns "$child"
  ip link set "$LINK" up
  while kill -0 "$first" 2>/dev/null; do
    if [ -e "/sys/class/net/$BRIDGE" ] && [ ! -e "/sys/class/net/$LINK/master" ]; then
      ip link set "$LINK" master "$BRIDGE" 2>/dev/null || true
    fi
    sleep 1
  done
}

# Hierarchies of control groups on the host, one a line: folder, type, options. Version 2 alone, version 1, or both.
hierarchies() { awk '$3 ~ /^cgroup2?$/ { print $2, $3, $4 }' /proc/mounts; }

# The groups of this machine, one in each of them.
groups() { hierarchies | awk -v name="wiab-$NAME" '{ print $1 "/" name }'; }

# Takes the groups of a former life away. After a power cut those of all its containers would be left, and kubelet looks
# into each of them for three seconds before it starts anything.
forget_groups() {
  local group
  for group in $(groups); do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir '{}' + 2>/dev/null || true
  done
}

# Inside the new namespaces: the machine's own view of files, devices and groups.
first() {
  local group
  for group in $(groups); do echo 0 >"$group/cgroup.procs"; done
  exec unshare --cgroup "$0" view
}

view() {
  local found device
  found=$(hierarchies)
  mount --make-rprivate /
  hostname "$HOSTNAME"
  mount --bind "$ROOT" "$ROOT"
  cd "$ROOT"
  mount -t proc -o nosuid,nodev,noexec proc proc
  mount -t sysfs -o nosuid,nodev,noexec sysfs sys
  mount -t tmpfs -o mode=755,nosuid tmpfs dev
  while read -r device; do
    # shellcheck disable=SC2086 # name, kind and numbers
    mknod --mode 666 dev/$device
  done <<<$'null c 1 3\nzero c 1 5\nfull c 1 7\nrandom c 1 8\nurandom c 1 9\ntty c 5 0\nkmsg c 1 3'
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  for device in 0/stdin 1/stdout 2/stderr; do ln -s "/proc/self/fd/${device%/*}" "dev/${device#*/}"; done
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
  view_groups "$found"
  # So it is in containers: systemd knows by it that no udev tells of devices here.
  mount -o remount,bind,ro sys
  pretend_settings
  mkdir -p .host
  pivot_root . .host
  # Containers of the machine's own hand mounts on.
  mount --make-rshared /
  : >"/.host$DIRECTORY/ready"
  umount --lazy /.host
  # systemd takes control groups of version 1 since 256 only where it is told so twice.
  [[ $found == "/sys/fs/cgroup cgroup2 "* ]] ||
    set -- systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
  exec env --ignore-environment container=wiab PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init "$@" </dev/null
}

view_groups() {
  local path type options
  if [[ $1 == "/sys/fs/cgroup cgroup2 "* ]]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  while read -r path type options; do
    mkdir "sys/fs/cgroup/${path##*/}"
    # A hierarchy of version 1 is known by its controllers or, without any, by its name.
    options=$(tr ',' '\n' <<<"$options" | grep -vxE 'rw|ro|relatime|noatime|nosuid|nodev|noexec' | paste -sd ,) || true
    [[ $options != name=* ]] || options=none,$options
    mount -t "$type" ${options:+-o "$options"} "$type" "sys/fs/cgroup/${path##*/}"
  done <<<"$1"
}

# Settings of the kernel as a whole: what programs in the machine write stays in it, and is there when they look.
pretend_settings() {
  local setting value
  mkdir run/settings
  while read -r setting value; do
    [ -e "proc/$setting" ] || continue
    printf '%s\n' "$value" >"run/settings/${setting//\//.}"
    mount --bind "run/settings/${setting//\//.}" "proc/$setting"
  done <<'END'
sys/vm/overcommit_memory 1
sys/vm/panic_on_oom 0
sys/vm/max_map_count 1048575
sys/vm/swappiness 1
sys/kernel/panic 10
sys/kernel/panic_on_oops 1
sys/kernel/keys/root_maxkeys 1000000
sys/kernel/keys/root_maxbytes 25000000
END
  # kubelet refuses to start beside swap, and "swapoff" would take the host's away.
  printf 'Filename\tType\tSize\tUsed\tPriority\n' >run/settings/swaps
  mount --bind run/settings/swaps proc/swaps
}

running() { [ -e "$DIRECTORY/pid" ] && kill -0 "$(cat "$DIRECTORY/pid")" 2>/dev/null; }

stop() {
  local link
  [ -e "$DIRECTORY" ] || return 0
  cut
  # The kernel takes its time with the other end.
  link=$(cat "$DIRECTORY/link" 2>/dev/null) || true
  [ -z "$link" ] || ip link delete "$link" 2>/dev/null || true
  forget_groups
  rm -rf --one-file-system "$DIRECTORY"
}

"$@"
