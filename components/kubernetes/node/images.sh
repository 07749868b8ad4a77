# Seconds for which images that do not come are asked for again: all nodes pull at the same time, from one registry.
PATIENCE=900

# Pulls what kubeadm needs here: KUBEADM and KUBEADM_CONFIG say what, IMAGE_IDS what has to come of it. An image that is here
# under the same name and is another is pulled anew.
pull_images() {
  local config present others missing said deadline=$((SECONDS + PATIENCE))
  config=$(mktemp)
  # shellcheck disable=SC2064 # the file is known now
  trap "rm -f '$config'" EXIT
  printf '%s' "$KUBEADM_CONFIG" >"$config"
  others=$(other_images "$IMAGE_IDS" | cut -d ' ' -f 1)
  present=$(crictl images | awk 'NR > 1 { print $1 ":" $2 }')
  # It warns of the documents that are for its other tasks.
  missing=$("$KUBEADM" config images list --config "$config" 2>/dev/null | grep -vxF "$present") || true
  missing=$(printf '%s\n' "$missing" "$others" | sort --unique | grep .) || return 0
  until said=$(xargs --max-args 1 --max-procs 4 crictl pull <<<"$missing" 2>&1 >/dev/null); do
    # An image that the registry does not have will not come.
    case $said in *"not found"*) deadline=0 ;; esac
    [ "$SECONDS" -lt "$deadline" ] || fail "an image cannot be pulled on $(hostname): $said"
    sleep 1
  done
  refuse_other_images "$IMAGE_IDS"
}
