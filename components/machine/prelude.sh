# Stands before every script that the program runs on a machine (components/machine/script.ts).
# A script defines `apply` (observe, skip if already so, act, verify); `update`, if later runs differ; and, if it
# leaves behind anything that a destroy has to take away, `remove`. Its parameters are shell variables, never
# arguments or environment, so that no process list shows them.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
# Ubuntu's needrestart restarts whatever uses a library that an installation has renewed, all nodes' services at once.
export NEEDRESTART_SUSPEND=yes NEEDRESTART_MODE=l
# Some machines close what is made to others; what is secret gets its mode by name.
umask 022

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# wait_for WHAT SECONDS COMMAND...: runs the command every second until it succeeds. Its output is kept
# back and shown only if it never does.
wait_for() {
  local what=$1 seconds=$2 deadline=$((SECONDS + $2)) output
  shift 2
  until output=$("$@" 2>&1); do
    [ "$SECONDS" -lt "$deadline" ] || fail "gave up after ${seconds} s waiting for ${what}${output:+: $output}"
    sleep 1
  done
}

# What this run has found or made as it should be, for the record that `drift` compares with (cli/drift.ts).
declare -A MADE=()

# made KIND WHAT: a file, a package, a unit of systemd, or a command whose output says how something is.
made() { MADE["$1 $2"]=1; }

# remember VERB RECORD: keeps the record of a run that has come to its end; nothing where none is wanted.
remember() {
  local entry
  [ -n "${2:-}" ] || return 0
  case $1 in
    remove)
      rm -f "/var/lib/wiab/made/$2"
      return
      ;;
  esac
  put "/var/lib/wiab/made/$2" "$(
    for entry in "${!MADE[@]}"; do state_of "${entry%% *}" "${entry#* }"; done | sort
  )"$'\n' 0600
}

# state_of KIND WHAT: a line that says how it is now. Nothing of what is gone again, or changes by itself.
state_of() {
  local state
  case $1 in
    file)
      case $2 in /etc/* | /opt/* | /usr/*) ;; *) return 0 ;; esac
      [ -f "$2" ] || return 0
      state="$(sha256sum <"$2" | cut -c 1-16) $(stat --format '%a %U:%G' "$2")"
      case $2 in /etc/systemd/system/*.timer) state_of unit "${2##*/}" ;; esac
      ;;
    package) state=$(dpkg-query --show --showformat='${Version}' "$2" 2>/dev/null) || state=missing ;;
    unit) state="$(systemctl is-enabled "$2" 2>/dev/null || true) $(systemctl is-active "$2" 2>/dev/null || true)" ;;
    output) state=$(bash -c "$2" 2>&1 | sha256sum | cut -c 1-16) ;;
  esac
  printf '%s\t%s\t%s\n' "$1" "$2" "$state"
}

# holds FILE TEXT: whether the file has just that text.
holds() { [ -f "$1" ] && printf '%s' "$2" | cmp -s - "$1" && made file "$1"; }

# put FILE TEXT [MODE [OWNER[:GROUP]]]: gives the file that text, whole or not at all.
put() {
  mkdir -p "$(dirname "$1")"
  install -m "${3:-0644}" /dev/stdin "$1.new" < <(printf '%s' "$2")
  [ -z "${4:-}" ] || chown "$4" "$1.new"
  mv "$1.new" "$1"
  made file "$1"
}

# service_file SERVICE FILE TEXT [MODE [OWNER[:GROUP]]]: puts a file of a service that has to be restarted when it changes,
# which `run_service` does; if this run is killed before, the next one's.
service_file() {
  local service=$1
  shift
  holds "$1" "$2" || {
    touch "/run/wiab-$service.changed"
    [[ $1 != /etc/systemd/* ]] || touch "/run/wiab-$service.unread"
    put "$@"
  }
}

# run_service SERVICE: has a service run, at every boot too, from the files that it has now.
run_service() {
  made unit "$1.service"
  # Reading all units anew takes a small machine seconds, and several scripts may be at work on it: only if it has to be.
  # systemd itself does not notice a unit of ours that came to stand over one that it has loaded from elsewhere.
  systemctl --quiet is-enabled "$1.service" 2>/dev/null || systemctl --quiet --no-reload enable "$1.service"
  if [ -e "/run/wiab-$1.unread" ] ||
    [ "$(systemctl show --property=NeedDaemonReload --value "$1.service")" = yes ]; then
    systemctl daemon-reload
    rm -f "/run/wiab-$1.unread"
  fi
  [ -e "/run/wiab-$1.changed" ] || ! systemctl --quiet is-active "$1.service" || return 0
  systemctl restart "$1.service" || {
    journalctl --no-pager --lines 20 --unit "$1.service" || true
    fail "$1 does not start on $(hostname)"
  }
  rm -f "/run/wiab-$1.changed"
}

# one_at_a_time FILE: waits for an earlier run of the script, which a killed engine leaves at work, and keeps later
# ones waiting until this one ends.
one_at_a_time() {
  mkdir -p "$(dirname "$1")"
  exec 9>>"$1"
  flock -n 9 && return
  say "another run is still at work; waiting for it"
  flock -w 1800 9 || fail "another run has held $1 for half an hour: look what it does, with fuser $1"
}

# private_directory: prints the name of a new folder in memory that root alone can read, for the caller to remove at
# its end. What a run that was killed has left there goes first.
private_directory() {
  local left pid
  for left in /dev/shm/wiab.*.??????; do
    pid=${left%.*}
    [ ! -d "$left" ] || [ -d "/proc/${pid##*.}" ] || rm -rf "$left"
  done
  mktemp --directory "/dev/shm/wiab.$$.XXXXXX"
}

# download URL FILE: fetches what is missing of a file; a broken one goes on where it stopped, in this run and the next.
download() {
  local request=(
    --fail --silent --show-error --location --connect-timeout 20 --speed-limit 1000 --speed-time 60
    --retry 5 --retry-connrefused --continue-at - --output "$2" "$1"
  )
  # 33: the server cannot send the rest alone.
  curl "${request[@]}" || { [ $? = 33 ] && rm "$2" && curl "${request[@]}"; }
}

# fetch_asset URL CHECKSUM FILE: a file of the asset host, with what apt brings, for a fresh machine has no curl.
fetch_asset() {
  /usr/lib/apt/apt-helper -o Acquire::Retries=3 -o APT::Sandbox::User=root download-file "$1" "$3" "SHA256:$2" >/dev/null ||
    fail "$1 cannot be fetched: the asset host does not answer, or serves something else than the manifest says"
}

# install_packages NAME...: installs Debian packages that are not there yet, without those they merely recommend.
install_packages() {
  local name output missing=()
  for name in "$@"; do
    made package "${name%%=*}"
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  # Others that install at the same time are waited for, and so is what the system does by itself (unattended-upgrades).
  output=$(apt-get --quiet --quiet --option DPkg::Lock::Timeout=1800 --option Dpkg::Use-Pty=0 \
    --option Dpkg::Options::=--force-confold install --yes --no-install-recommends "${missing[@]}" 2>&1) ||
    fail "apt could not install ${missing[*]} on $(hostname): $(tail -n 20 <<<"$output")"
}
