#!/bin/sh
# Builds the lab's guest image: disk.qcow2, vmlinuz and initrd in the folder given as the first
# argument, owned by the second (USER:GROUP), of the release of Debian that the third names. The archive, as
# sources.list(5) has it, comes on standard input; all further arguments are options for mmdebstrap. Runs as root.
set -eu
output=$1
owner=$2
suite=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

work=$(mktemp -d /var/tmp/wiab-guest.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT PIPE TERM
# apt downloads as a user of its own.
chmod 755 "$work"

packages="busybox-static ca-certificates cloud-init dbus e2fsprogs iproute2 iputils-ping kmod
  linux-image-cloud-amd64 netbase nftables openssh-server sudo systemd-sysv
  systemd-timesyncd udev"
# Ubuntu 22.04 has both, and they are at work there.
[ "$suite" != trixie ] || packages="$packages needrestart unattended-upgrades"

mmdebstrap --mode=root --variant=apt --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$@" "$suite" "$work/root" -

echo "I: making the initial RAM disk and the disk"
sh "$here/customize.sh" "$work/root" "$suite"
sh "$here/initrd.sh" "$work/root" "$output/initrd"
cp "$work"/root/boot/vmlinuz-* "$output/vmlinuz"
# No partitions: machines get larger disks, and the file system grows to them at the start.
truncate -s 2G "$work/disk"
mke2fs -q -t ext4 -m 1 -d "$work/root" "$work/disk"
qemu-img convert -O qcow2 "$work/disk" "$output/disk.qcow2"
chown "$owner" "$output/initrd" "$output/vmlinuz" "$output/disk.qcow2"
