# Findings of a look at a host, and what it needs to hand out an artifact.
: "${ARTIFACT_LOCATIONS?where the artifact is, one a line, empty without one}"

errors=0

finding() {
  errors=$((errors + 1))
  say "finding $errors: $*"
}

conclude() {
  [ "$errors" -eq 0 ] || fail "the host $(hostname) is not ready ($errors findings above); nothing was changed"
  say "the host $(hostname) is ready"
}

check_artifact() {
  command -v skopeo >/dev/null || finding "the command skopeo is missing, which fills the image registry: install skopeo"
  case $ARTIFACT_LOCATIONS in
    *http://* | *https://*) command -v curl >/dev/null || finding "the command curl is missing, which fetches the artifact: install curl" ;;
  esac
}

# On the first run alone: what is unpacked is needed no more.
check_archives() {
  local location
  while read -r location; do
    case $location in
      /*) [ -d "$location" ] || finding "the host has no directory $location (artifact.sources): copy the artifact there" ;;
    esac
  done <<<"$ARTIFACT_LOCATIONS"
}
