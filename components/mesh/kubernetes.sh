# How the gateway of a site finds services of Kubernetes that ask for a name in the mesh (docs/mesh.md).
: "${CLUSTER:?servers, authority, token and nodes, JSON}"
: "${DIRECTORY:?of the files of the gateway}"

apply() {
  one_at_a_time /run/wiab-mesh.lock
  install -d -m 0700 "$DIRECTORY"
  holds "$DIRECTORY/kubernetes.json" "$CLUSTER" || put "$DIRECTORY/kubernetes.json" "$CLUSTER" 0600
}

remove() { rm -f "$DIRECTORY/kubernetes.json"; }
