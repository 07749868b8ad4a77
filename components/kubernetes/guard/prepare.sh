# The files that a control plane's API server is started with, before it is. A configuration of encryption that is there stays:
# it may write with the key already (encrypt.sh).
: "${FOLDER:?of the files}"
: "${ENCRYPTION?configuration that reads with the key, empty for none}"
: "${AUDIT?policy of the audit log, empty for none}"

apply() {
  install -d -m 0700 "$FOLDER"
  if [ -n "$ENCRYPTION" ] && [ ! -e "$FOLDER/encryption.yaml" ]; then put "$FOLDER/encryption.yaml" "$ENCRYPTION" 0600; fi
  if [ -n "$AUDIT" ]; then holds "$FOLDER/audit.yaml" "$AUDIT" || put "$FOLDER/audit.yaml" "$AUDIT" 0600; fi
}
