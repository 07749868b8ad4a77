# Fills the registry from the unpacked artifact on the host, with load-and-push-images.sh, which people with a
# registry of their own run by hand.
: "${LOADER:?text of load-and-push-images.sh}"
: "${STORE:?directory on this host with the unpacked archives}"
: "${SETS:?the sets of images to push, such as system: containers-system, unpacked or as it lies in the archive}"
: "${UNUSABLE?images that are damaged or missing, which nothing needs: containers-helm/NAME.tar, one a line}"
: "${IMAGES:?what is to be there, as a checksum: another one makes this run again}"
: "${REGISTRY:?host:port}"
: "${AUTHORITY?certificates of its authority in PEM, empty for those that the system knows}"
: "${PUSH_USER:?who may push}"
: "${PUSH_PASSWORD:?password of that user}"

apply() {
  local archive set failed=no
  command -v skopeo >/dev/null || fail "skopeo is missing on $(hostname): install it"
  PRIVATE=$(private_directory)
  trap 'rm -rf "$PRIVATE"' EXIT
  mkdir "$PRIVATE/certificates"
  [ -z "$AUTHORITY" ] || printf '%s\n' "$AUTHORITY" >"$PRIVATE/certificates/ca.crt"
  printf '%s' "$LOADER" >"$PRIVATE/load-and-push-images.sh"
  printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" \
    "$(printf '%s:%s' "$PUSH_USER" "$PUSH_PASSWORD" | base64 --wrap=0)" >"$PRIVATE/auth.json"
  printf '%s\n' "$UNUSABLE" >"$PRIVATE/unusable"
  for archive in "$STORE"/archives/*/; do
    rm -rf "$PRIVATE/sets"
    mkdir "$PRIVATE/sets"
    for set in $SETS; do
      find "$archive" -maxdepth 1 \( -name "containers-$set" -o -name "containers-$set.tar" \) \
        -exec ln -s --target-directory "$PRIVATE/sets" {} +
    done
    [ -n "$(ls -A "$PRIVATE/sets")" ] || continue
    bash "$PRIVATE/load-and-push-images.sh" --authfile "$PRIVATE/auth.json" \
      --cert-dir "$PRIVATE/certificates" --without "$PRIVATE/unusable" --directory "$PRIVATE/sets" "$REGISTRY" ||
      failed=yes
  done
  # Each has said which image it concerns, and the others are there.
  [ "$failed" = no ] || fail "not every image is in the registry; run up again, it goes on from there"
}
