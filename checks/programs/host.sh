# What the host says of a deployment, a line each: key, tab, value. Looks, and changes nothing.
# Arguments: ASPECTS NETWORK FOLDER DOMAIN... Of the aspects `firewall` and `hypervisor` it says what it is asked for.
set -u
export LC_ALL=C.UTF-8
aspects=" $1 " network=$2 folder=$3
shift 3
tell() { printf '%s\t%s\n' "$1" "$2"; }
field() { sed -n "s/^$1: *//p"; }

tell disk "$(df --output=pcent "$folder" 2>/dev/null | tail -n 1 | tr -dc 0-9)"
if [[ $aspects = *" firewall "* ]]; then
  tell forwarding "$(cat /proc/sys/net/ipv4/ip_forward)"
  tell table "$(nft list table inet "$network" >/dev/null 2>&1 && echo there)"
  if [ -d /run/systemd/system ]; then
    tell firewall "$(systemctl is-enabled "wiab-firewall-$network.service" 2>&1)"
  else
    tell firewall "no systemd"
  fi
fi
[[ $aspects = *" hypervisor "* ]] || exit 0
info=$(virsh --connect qemu:///system net-info "$network" 2>&1)
tell network "$(field Active <<<"$info") $(field Autostart <<<"$info")"
tell pool "$(virsh --connect qemu:///system pool-info "$network" 2>&1 | field State)"
for domain; do
  info=$(virsh --connect qemu:///system dominfo "$domain" 2>&1)
  tell "domain $domain" "$(field State <<<"$info") $(field Autostart <<<"$info")"
done
