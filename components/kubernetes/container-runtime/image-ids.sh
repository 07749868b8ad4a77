# A tag says nothing of what is behind it; an identifier is the checksum of the configuration, which has those of all layers.

# Images of this node that are not the artifact's, a sentence a line. $1: reference and identifier, one a line; images that
# it does not name are not looked at.
other_images() {
  crictl images --no-trunc | awk '
    NR == FNR { wanted[$1] = $2; next }
    { reference = $1 ":" $2 }
    reference in wanted && $3 != wanted[reference] { print reference " is " $3 ", not " wanted[reference] }' <(printf '%s\n' "$1") -
}

refuse_other_images() {
  local others
  others=$(other_images "$1")
  [ -z "$others" ] || fail "images on $(hostname) are not those of the artifact. Find out who writes to the registry, then take them away with \"crictl rmi\":
$others"
}
