# Stands before every script that the program runs on a machine (components/remote/script.ts).
# A script defines `apply` (observe, skip if already so, act, verify); `update`, if later runs differ; and, if it
# leaves behind anything that a destroy has to take away, `remove`. Its parameters are shell variables, never
# arguments or environment, so that no process list shows them.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

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
