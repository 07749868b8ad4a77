#!/bin/sh
# Writes an initial RAM disk for the root given as the first argument to the file given as the second:
# the modules that lead to /dev/vda, to the seed disk and to the network, and an init that loads them
# and goes on from there. Debian's own has udev and 16 MB, which an emulated machine takes seconds to
# unpack and run; and loading the modules here is quicker than leaving it to the machine's udev.
set -eu
root=$1
output=$2
release=$(ls "$root/lib/modules")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree/dev" "$tree/proc" "$tree/root"
cp "$root/bin/busybox" "$tree/busybox"
{
  echo '#!/busybox sh'
  chroot "$root" modprobe --set-version "$release" --show-depends --all \
    virtio_pci virtio_blk virtio_net virtio_rng ata_piix sr_mod isofs |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r module; do
      cp "$root$module" "$tree/"
      echo "/busybox insmod /${module##*/}"
    done
  # The disk appears a moment after its driver; the kernel's own driver core makes it known in devtmpfs.
  cat <<'INIT'
/busybox mount -t devtmpfs dev /dev
tries=0
until [ -b /dev/vda ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || { echo "initrd: no /dev/vda within 60 seconds" >/dev/console; exit 1; }
  /busybox sleep 0.1
done
/busybox mount -t ext4 /dev/vda /root
/busybox mount --move /dev /root/dev
exec /busybox switch_root /root /lib/systemd/systemd
INIT
} >"$tree/init"
chmod 755 "$tree/init"
(cd "$tree" && find . | "$root/bin/busybox" cpio -o -H newc) >"$output" 2>/dev/null
