# Where a machine gets things from: packages from the asset host alone, trust in the stack's certificate
# authority, the time from the host. What the system came with is switched off, not taken away.
: "${REPOSITORIES:?one line each: URL, URL of its key, checksum of the key, suite, components}"
: "${CONTENT:?what the repositories hold, as a checksum: another one makes this run again}"
: "${AUTHORITY:?certificate of the authority, PEM}"
: "${TIME_SERVER?address of the NTP server, empty where the machines keep the time by themselves}"

LIST=/etc/apt/wiab.list
OPTIONS=/etc/apt/apt.conf.d/90wiab
NEEDRESTART=/etc/needrestart/conf.d/wiab.conf
DIRECTORY=/etc/wiab
# Perl, which keeps its variables apart from ours.
# shellcheck disable=SC2016
LIST_ONLY='$nrconf{restart} = "l";
'

apply() {
  mkdir -p "$DIRECTORY"
  holds "$DIRECTORY/ca.crt" "$AUTHORITY" || put "$DIRECTORY/ca.crt" "$AUTHORITY"
  # It lists what uses old libraries, and restarts nothing: services are restarted one node after another, by scripts.
  holds "$NEEDRESTART" "$LIST_ONLY" || put "$NEEDRESTART" "$LIST_ONLY"
  package_sources
  synchronise_clock
  say "packages come from $(awk '{ print $1 }' <<<"$REPOSITORIES" | paste -sd ' '), the time from ${TIME_SERVER:-where it came from before}"
}

package_sources() {
  local url key_url key_sha suite components number=0 list='' options
  mkdir -p /etc/apt/keyrings
  while read -r url key_url key_sha suite components; do
    number=$((number + 1))
    fetch_key "$key_url" "$key_sha" "/etc/apt/keyrings/wiab-$number.asc"
    list+="deb [signed-by=/etc/apt/keyrings/wiab-$number.asc] $url $suite $components"$'\n'
  done <<<"$REPOSITORIES"
  options="Dir::Etc::sourcelist \"$LIST\";
Dir::Etc::sourceparts \"-\";
Acquire::Languages \"none\";
Acquire::Retries \"3\";
"
  holds "$LIST" "$list" || put "$LIST" "$list"
  holds "$OPTIONS" "$options" || put "$OPTIONS" "$options"
  refresh_lists ||
    fail "apt cannot read the repositories of the asset host ($(awk '{ print $1 }' <<<"$REPOSITORIES" | paste -sd ' ')); if they do not answer, look at nginx on the asset host"
}

# A fresh machine looks for updates by itself, for minutes where it has no way out, and holds the lists meanwhile.
refresh_lists() {
  local output deadline=$((SECONDS + 900))
  # By itself apt is content with what it fetched some other day.
  until output=$(apt-get --quiet --quiet --option APT::Update::Error-Mode=any update 2>&1); do
    case $output in
      *"Could not get lock"*) [ "$SECONDS" -lt "$deadline" ] && sleep 2 && continue ;;
    esac
    say "$output"
    return 1
  done
}

fetch_key() {
  ! sha256sum --check --status <<<"$2  $3" 2>/dev/null || return 0
  case $1 in
    file:*) cp "${1#file:}" "$3.new" ;;
    # Machines have no curl yet; apt brings its own.
    *) /usr/lib/apt/apt-helper -o Acquire::Retries=3 -o APT::Sandbox::User=root download-file "$1" "$3.new" >/dev/null ||
      fail "the asset host does not answer: $1 cannot be fetched" ;;
  esac
  sha256sum --check --status <<<"$2  $3.new" || fail "the apt key at $1 is not the one that the manifest names"
  chmod 0644 "$3.new"
  mv "$3.new" "$3"
}

synchronise_clock() {
  local service settings=/etc/systemd/timesyncd.conf.d/wiab.conf text
  for service in chrony chronyd ntp ntpd ntpsec openntpd; do
    if systemctl --quiet is-active "$service.service"; then
      say "the clock is kept by $service, which is left as it is"
      return
    fi
  done
  # systemd writes there what kind of container it runs in.
  if [ -e /run/systemd/container ]; then
    say "a container has the clock of its host"
    return
  fi
  if [ -z "$TIME_SERVER" ]; then
    # What systemd-timesyncd leaves when it has set the clock.
    [ -e /run/systemd/timesync/synchronized ] ||
      fail "nothing keeps the clock of $(hostname), and clocks that differ break Cassandra and certificates: run chrony or systemd-timesyncd on it, or name an NTP server (network.timeServer)"
    say "the clock of $(hostname) is kept already"
    return
  fi
  text="[Time]
NTP=$TIME_SERVER
FallbackNTP=
"
  install_packages systemd-timesyncd
  systemctl --quiet enable systemd-timesyncd.service
  if ! holds "$settings" "$text" || ! systemctl --quiet is-active systemd-timesyncd.service; then
    put "$settings" "$text"
    systemctl restart systemd-timesyncd.service
  fi
  wait_for "the clock to be set by $TIME_SERVER" 120 test -e /run/systemd/timesync/synchronized
}

# For a machine that outlives the stack.
remove() {
  rm -f "$LIST" "$OPTIONS" "$NEEDRESTART" /etc/apt/keyrings/wiab-*.asc /etc/systemd/timesyncd.conf.d/wiab.conf "$DIRECTORY/ca.crt"
}
