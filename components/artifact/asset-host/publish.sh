# Makes a release of the files that have arrived visible, in one step: nothing half-made is ever served.
: "${ROOT:?directory with files/<sha256>}"
: "${RELEASE:?its name, which follows from its content}"
: "${FILES:?one line each: checksum, bytes, path}"

apply() {
  local release=$ROOT/releases/$RELEASE
  if [ ! -d "$release" ]; then
    rm -rf "$release.new"
    mkdir -p "$release.new"
    link_files "$release.new"
    mv "$release.new" "$release"
  fi
  if [ "$(readlink "$ROOT/current")" != "releases/$RELEASE" ]; then
    ln -sfn "releases/$RELEASE" "$ROOT/current.new"
    mv -T "$ROOT/current.new" "$ROOT/current"
  fi
  prune
  say "release $RELEASE: $(wc -l <<<"$FILES") files"
}

# In Perl, which every Debian and Ubuntu has: a process for each of thousands of files takes minutes when emulated.
link_files() {
  awk '{ sub(/[^\/]*$/, "", $3); print $3 }' <<<"$FILES" | sort -u | (cd "$1" && xargs mkdir -p)
  perl -e '
    my ($files, $release) = @ARGV;
    while (<STDIN>) {
      my ($sha, $size, $path) = split;
      my $found = -s "$files/$sha";
      die "$path has not arrived\n" unless defined $found;
      die "$path has $found of $size bytes\n" unless $found == $size;
      link "$files/$sha", "$release/$path" or die "$path: $!\n";
    }' "$ROOT/files" "$1" <<<"$FILES" || fail "release $RELEASE is not complete; the former one is still served"
}

prune() {
  find "$ROOT/releases" -mindepth 1 -maxdepth 1 ! -name "$RELEASE" -exec rm -rf {} +
  # A file that only this name is left of belonged to a release that is gone.
  find "$ROOT/files" -type f -links 1 -delete
}
