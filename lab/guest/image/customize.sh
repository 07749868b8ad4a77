#!/bin/sh
# Makes a Debian root, given as the first argument, of the release that the second names, into the lab's guest: quick
# to start where every instruction is emulated. Runs as root on the host, once a build.
set -eu
root=$1
suite=$2
here=$(cd "$(dirname "$0")" && pwd)

cp -R --no-preserve=ownership "$here/root/." "$root/"

in_root() { chroot "$root" "$@"; }

in_root systemctl --quiet enable systemd-networkd.service cloud-init-main.service logind-after-cloud-init.path \
  emulated-scheduler.service
# Not every release has all of these.
for unit in cloud-init-local.service cloud-init.service cloud-init-network.service cloud-config.service \
  cloud-final.service cloud-init-hotplugd.socket systemd-timesyncd.service; do
  in_root systemctl --quiet disable "$unit" || true
done

# What a machine with one disk, no terminal and a life of hours has no use for, or has already.
if [ "$suite" = trixie ]; then
  printf 'APT::Periodic::%s "1";\n' Update-Package-Lists Unattended-Upgrade >"$root/etc/apt/apt.conf.d/20auto-upgrades"
else
  in_root systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
fi
in_root systemctl --quiet mask dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer systemd-pstore.service \
  getty@.service serial-getty@.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
  systemd-random-seed.service systemd-journal-flush.service systemd-user-sessions.service \
  systemd-repart.service systemd-network-generator.service systemd-tmpfiles-setup-dev.service \
  systemd-remount-fs.service kmod-static-nodes.service dev-hugepages.mount dev-mqueue.mount \
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  proc-sys-fs-binfmt_misc.automount systemd-ask-password-console.path systemd-ask-password-wall.path
mkdir -p "$root/etc/systemd/system/sockets.target.wants"
for want in multi-user.target.wants/systemd-logind.service multi-user.target.wants/dbus.service \
  sockets.target.wants/dbus.socket; do
  ln -sf /dev/null "$root/etc/systemd/system/$want"
done
rm -f "$root/etc/modules-load.d/modules.conf"
mkdir -p "$root/etc/tmpfiles.d"
for file in legacy provision systemd-nologin systemd-nspawn portables systemd-pstore x11 journal-nocow; do
  ln -sf /dev/null "$root/etc/tmpfiles.d/$file.conf"
done

# Each generator is a process at every start; the units that the lab needs are there already.
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/lib/systemd/system-generators/*; do
  case ${generator##*/} in
    systemd-fstab-generator) ;;
    *) ln -sf /dev/null "$root/etc/systemd/system-generators/${generator##*/}" ;;
  esac
done

# No password opens anything, and every machine makes its own identity.
in_root passwd --quiet --lock root
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
echo localhost >"$root/etc/hostname"
# mmdebstrap copied this one from the host that it ran on.
rm -f "$root/etc/resolv.conf"

rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/etc/apt/apt.conf.d/99mmdebstrap \
  "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$root"/var/log/journal
# systemd compares these with /usr to see whether caches have to be made anew.
touch "$root/etc/.updated" "$root/var/.updated"
