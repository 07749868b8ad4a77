# What member.sh and version.sh know of a node's version.

OURS=/etc/wiab/kubernetes
# Its version, and a digest of the settings of its control plane. Written once the node is a member, and again once a
# change is complete, so that what a killed run has left is told from one.
MEMBER=$OURS/member
# The version that a change leads to which has begun, and may have got anywhere.
CHANGE=$OURS/change

# allow_version VERSION: refuses what kubeadm cannot make of this node.
allow_version() {
  local from
  for from in $(cut -d ' ' -f 1 "$MEMBER" 2>/dev/null) $(cat "$CHANGE" 2>/dev/null); do
    [ "$(printf '%s\n' "$from" "$1" | sort --version-sort | tail -n 1)" = "$1" ] ||
      fail "Kubernetes on $(hostname) has come to $from and cannot go back to $1: take an artifact with $from or one minor version more"
    [ $(($(minor_of "$1") - $(minor_of "$from"))) -le 1 ] ||
      fail "Kubernetes on $(hostname) is $from, and $1 is more than one minor version away: take an artifact with v1.$(($(minor_of "$from") + 1)) first"
  done
}

minor_of() { cut -d . -f 2 <<<"$1"; }
