# Refuses an artifact whose Kubernetes a node cannot become, before anything on it changes.
: "${VERSION:?of Kubernetes}"

apply() {
  allow_version "$VERSION"
  say "$(hostname) may run Kubernetes $VERSION"
}
