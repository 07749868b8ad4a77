#!/bin/bash
# Installs a small package anew and says where it came from, in apt's own words.
set -euo pipefail
package=$1
sudo apt-get -qq purge "$package" >/dev/null 2>&1 || true
sudo rm -f "/var/cache/apt/archives/${package}_"*
apt-get -qq install --print-uris "$package" | awk -v package="/${package}_" 'index($1, package) { gsub("\047", "", $1); print $1 }'
sudo apt-get -qq -o Dpkg::Use-Pty=0 install "$package" >/dev/null
"$package" >/dev/null
sudo apt-get -qq purge "$package" >/dev/null
