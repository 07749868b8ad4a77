# Where nodes keep their backups: a user of the asset host whose keys, one a node, open nothing but store.py.
: "${AUTHORIZED_KEYS:?keys of the nodes, each with what it opens}"
: "${KEEP:?keep.json, which backups are kept}"
: "${STORE_PROGRAM:?store.py}"
: "${PIECES_PROGRAM:?pieces.py}"

ACCOUNT=wiab-backup
ROOT=/var/backups/wiab
HOME_DIRECTORY=/var/lib/wiab-backup

apply() {
  local key
  install_packages openssh-server python3
  # The shell runs the one command; with `*` for a password nobody can log in with one.
  id "$ACCOUNT" >/dev/null 2>&1 ||
    useradd --system --user-group --password '*' --home-dir "$HOME_DIRECTORY" --no-create-home --shell /bin/sh "$ACCOUNT"
  install -d -m 0755 "$HOME_DIRECTORY" "$HOME_DIRECTORY/.ssh"
  install -d -m 0700 -o "$ACCOUNT" -g "$ACCOUNT" "$ROOT"
  keep_file /opt/wiab/backup/store "$STORE_PROGRAM" 0755
  keep_file /opt/wiab/backup/pieces.py "$PIECES_PROGRAM" 0644
  keep_file /etc/wiab/backup/keep.json "$KEEP" 0644
  rm -f /etc/wiab/backup/keep
  # Root owns it: whoever comes with a key cannot widen what it opens.
  keep_file "$HOME_DIRECTORY/.ssh/authorized_keys" "$AUTHORIZED_KEYS" 0644
  key=/etc/ssh/ssh_host_ed25519_key.pub
  [ -s "$key" ] || ssh-keygen -A >/dev/null
  # What nodes know this host by.
  cut -d ' ' -f 1,2 "$key"
}

keep_file() { holds "$1" "$2" || put "$1" "$2" "$3"; }
