# Waits until every drive is there, makes what Wire needs, and prints the addresses of the nodes that have drives.
apply() {
  local library=/opt/wiab/minio
  one_at_a_time /run/wiab/minio.lock
  "$library/store.py" settle || {
    journalctl --no-pager --lines 20 --unit minio.service >&2 || true
    exit 1
  }
  "$library/provision.py"
  # Nodes that have just been started find one another's drives one by one.
  wait_for "a healthy store" 900 "$library/health"
  "$library/health"
  say "addresses: $(cut -d ' ' -f 2 /etc/wiab/minio/layout | xargs)"
}
