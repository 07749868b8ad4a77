#!/bin/sh
# Takes out of a root file system, the first argument, what an image has no use for and what would differ from one
# build to the next. mmdebstrap calls it when all packages are installed.
set -eu
cd "$1"

rm -rf usr/share/doc usr/share/doc-base usr/share/info usr/share/lintian usr/share/locale usr/share/man
# Of the machine that built it.
rm -f etc/hostname etc/resolv.conf
# Of mmdebstrap: the builder's own folders, and that documentation stays out.
rm -f etc/apt/sources.list etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap
rm -f var/cache/debconf/*-old var/lib/dpkg/*-old etc/passwd- etc/group- etc/shadow- etc/gshadow-
rm -rf var/cache/ldconfig var/cache/man
find var/log -type f -delete
# A key that everybody has is none; the package that made it makes one anew.
rm -f etc/ssl/private/ssl-cert-snakeoil.key etc/ssl/certs/ssl-cert-snakeoil.pem
