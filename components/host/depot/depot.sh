# Looks at the host that only hands out the artifact, and changes nothing.

apply() {
  check_archives
  update
}

update() {
  check_artifact
  command -v ssh >/dev/null || finding "the command ssh is missing, which sends files to the asset host: install openssh-client"
  conclude
}
