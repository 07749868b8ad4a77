# containerd as the container runtime of a Kubernetes node: every image comes from the stack's registry, which
# stands in for all registries that the artifact's images are from, and from nowhere else.
: "${BINARIES:?one line each: URL, checksum, name; what is a tar.gz has its programs in bin/}"
: "${PACKAGES?Debian packages that complete it}"
: "${CONFIG:?config.toml of containerd}"
: "${UNIT:?its systemd unit}"
: "${CRICTL_CONFIG:?crictl.yaml}"
: "${HOSTS:?hosts.toml, the same for every registry}"
: "${REGISTRY_AUTHORITY?certificates of the authority of a registry outside the stack, PEM}"
: "${REGISTRIES:?names of the registries, one a line}"
: "${SEED_IMAGES?one line each: URL, checksum, reference, identifier; empty unless all images are imported beforehand}"

CERTS=/etc/containerd/certs.d
REGISTRY_CA=/etc/wiab/registry-ca.crt
LIBRARY=/opt/wiab/container-runtime

apply() {
  # shellcheck disable=SC2086 # a list of names
  install_packages $PACKAGES
  install_binaries
  service_file containerd /etc/containerd/config.toml "$CONFIG"
  service_file containerd /etc/systemd/system/containerd.service "$UNIT"
  holds /etc/crictl.yaml "$CRICTL_CONFIG" || put /etc/crictl.yaml "$CRICTL_CONFIG"
  mirrors
  # Containers go on when it is restarted: their shims do not belong to the service.
  run_service containerd
  wait_for "containerd on $(hostname)" 60 crictl --timeout 10s version
  forget_former_binaries
  [ -z "$SEED_IMAGES" ] || seed
  say "containerd $(containerd --version | awk '{ print $3 }') pulls from $(awk -F'"' '/^server/ { print $2 }' <<<"$HOSTS")"
}

# Each binary lies under its checksum, and /usr/local/bin has links to them.
install_binaries() {
  local url sha name directory program
  while read -r url sha name; do
    directory=$LIBRARY/$sha
    if [ ! -d "$directory" ]; then
      rm -rf "$directory.new" "$directory.fetched"
      mkdir -p "$directory.new"
      # Not into it: an archive may have a program of this name at its top.
      fetch_asset "$url" "$sha" "$directory.fetched"
      case $url in
        *.tar.gz | *.tgz)
          tar --extract --no-same-owner --file "$directory.fetched" --directory "$directory.new"
          rm "$directory.fetched"
          ;;
        *)
          mkdir "$directory.new/bin"
          mv "$directory.fetched" "$directory.new/bin/$name"
          ;;
      esac
      # crictl's archive has the program at its top.
      if [ ! -d "$directory.new/bin" ]; then
        mkdir "$directory.new/bin"
        find "$directory.new" -maxdepth 1 -type f -exec mv -t "$directory.new/bin" {} +
      fi
      chmod 0755 "$directory.new"/bin/*
      mv "$directory.new" "$directory"
    fi
    for program in "$directory"/bin/*; do
      [ "$(readlink "/usr/local/bin/${program##*/}")" = "$program" ] || {
        touch /run/wiab-containerd.changed
        ln -sfn "$program" "/usr/local/bin/${program##*/}"
      }
    done
  done <<<"$BINARIES"
}

# Once containerd runs from the new ones.
forget_former_binaries() {
  local directory
  for directory in "$LIBRARY"/*; do
    grep -qF " ${directory##*/} " <<<"$BINARIES" || rm -r "$directory"
  done
}

# One for each registry of the artifact, and one for all others, which must not be asked either.
mirrors() {
  local registry
  if [ -z "$REGISTRY_AUTHORITY" ]; then
    rm -f "$REGISTRY_CA"
  else
    holds "$REGISTRY_CA" "$REGISTRY_AUTHORITY" || put "$REGISTRY_CA" "$REGISTRY_AUTHORITY"
  fi
  REGISTRIES+=$'\n_default'
  while read -r registry; do
    # It may have a password in it.
    holds "$CERTS/$registry/hosts.toml" "$HOSTS" || put "$CERTS/$registry/hosts.toml" "$HOSTS" 0600
  done <<<"$REGISTRIES"
  for registry in "$CERTS"/*/; do
    registry=$(basename "$registry")
    grep -qxF "$registry" <<<"$REGISTRIES" || rm -r "${CERTS:?}/$registry"
  done
}

# Every image onto the node, one after another, as Wire's playbooks do it; what is there is left out.
seed() {
  local url sha reference id file present
  # What a run that was killed has left.
  rm -f /var/tmp/wiab-image.*
  file=$(mktemp /var/tmp/wiab-image.XXXXXX)
  # shellcheck disable=SC2064 # the file is known now
  trap "rm -f '$file'" EXIT
  present=$(crictl images --no-trunc --quiet)
  while read -r url sha reference id; do
    ! grep -qxF "$id" <<<"$present" || continue
    rm -f "$file"
    fetch_asset "$url" "$sha" "$file"
    ctr --namespace k8s.io images import --digests "$file" >/dev/null || fail "$reference cannot be imported on $(hostname)"
    say "imported $reference"
  done <<<"$SEED_IMAGES"
  refuse_other_images "$(cut -d ' ' -f 3,4 <<<"$SEED_IMAGES")"
}
