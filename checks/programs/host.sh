# What the host says of a deployment, a line each: key, tab, value. Looks, and changes nothing.
# Arguments: NETWORK POOL_PATH DOMAIN...
set -u
export LC_ALL=C.UTF-8
network=$1 pool=$2
shift 2
tell() { printf '%s\t%s\n' "$1" "$2"; }
field() { sed -n "s/^$1: *//p"; }

tell forwarding "$(cat /proc/sys/net/ipv4/ip_forward)"
tell table "$(nft list table inet "$network" >/dev/null 2>&1 && echo there)"
if [ -d /run/systemd/system ]; then
  tell firewall "$(systemctl is-enabled "wiab-firewall-$network.service" 2>&1)"
else
  tell firewall "no systemd"
fi
tell disk "$(df --output=pcent "$pool" 2>/dev/null | tail -n 1 | tr -dc 0-9)"
info=$(virsh --connect qemu:///system net-info "$network" 2>&1)
tell network "$(field Active <<<"$info") $(field Autostart <<<"$info")"
tell pool "$(virsh --connect qemu:///system pool-info "$network" 2>&1 | field State)"
for domain; do
  info=$(virsh --connect qemu:///system dominfo "$domain" 2>&1)
  tell "domain $domain" "$(field State <<<"$info") $(field Autostart <<<"$info")"
done
