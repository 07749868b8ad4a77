# Unpacks the artifact's archives on the host, each into a folder named after its checksum that appears only
# when every file in it is as the manifest says. What is there already is not looked at again.
: "${STORE:?directory on this host}"
: "${ARCHIVES:?one line each: checksum, bytes, name, location}"
: "${FILES:?one line each: checksum of the archive, checksum, bytes, path}"

apply() {
  local sha size name location
  one_at_a_time "$STORE/lock"
  mkdir -p "$STORE/archives" "$STORE/files" "$STORE/downloads"
  while read -r sha size name location; do
    if [ ! -d "$STORE/archives/$sha" ]; then
      take "$sha" "$size" "$name" "$location"
      say "$name: $(files_of "$sha" | wc -l) files, all as the manifest says"
    fi
  done <<<"$ARCHIVES"
  prune
}

files_of() { awk -v archive="$1" '$1 == archive { print $2, $3, $4 }' <<<"$FILES"; }

take() {
  local sha=$1 size=$2 name=$3 location=$4 archive work=$STORE/archives/$1.unpacking found path
  case $location in
    /*) archive=$location ;;
    *)
      archive=$STORE/downloads/$sha
      [ -e "$archive" ] || fetch "$location" "$archive" "$sha" "$size" "$name"
      ;;
  esac
  [ -r "$archive" ] || fail "$name is missing: $archive does not exist on $(hostname) or cannot be read"
  found=$(stat -L -c %s "$archive")
  [ "$found" -ge "$size" ] || fail "$archive is truncated: it has $found of $size bytes; copy it again"
  found=$(sha256sum "$archive" | cut -d ' ' -f 1)
  [ "$found" = "$sha" ] || fail "$archive has checksum $found, the manifest says $sha: it was altered, or belongs to another manifest; copy both again"

  rm -rf "$work"
  mkdir "$work"
  room_for "$sha" "$name" 0
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$work'" EXIT
  unpack "$archive" "$work" "$sha"
  verify "$work" "$sha" "$name"
  while read -r found size path; do
    # What several archives have lies here once, and stays for as long as one of them does. A power cut may have left
    # one that is shorter.
    if [ "$(stat -c %s "$STORE/files/$found" 2>/dev/null)" = "$size" ]; then
      ln -f "$STORE/files/$found" "$work/$path"
    else
      ln -L -f "$work/$path" "$STORE/files/$found"
    fi
  done < <(files_of "$sha")
  # The folder's name says that all is there: not before it is on the disk.
  sync --file-system "$STORE"
  mv "$work" "$STORE/archives/$sha"
  trap - EXIT
  rm -f "$STORE/downloads/$sha"
}

fetch() {
  local url=$1 target=$2 sha=$3 size=$4 name=$5 part=$2.part found
  command -v curl >/dev/null || fail "curl is missing on $(hostname): install it, or configure a path on it instead of a URL"
  found=$(stat -c %s "$part" 2>/dev/null || echo 0)
  # A run that was killed while it checked the file had all of it: there is nothing left to ask for.
  if [ "$found" -lt "$size" ]; then
    room_for "$sha" "$name" $((size - found))
    say "fetching $url, $((size / 1000000)) MB$([ "$found" = 0 ] || echo ", $((found / 1000000)) MB of them are here")"
    download "$url" "$part" ||
      fail "fetching $url failed; what has arrived is kept in $part and the next run goes on from there"
  fi
  found=$(sha256sum "$part" | cut -d ' ' -f 1)
  if [ "$found" != "$sha" ]; then
    rm "$part"
    fail "$url has checksum $found, the manifest says $sha; what has arrived was thrown away"
  fi
  mv "$part" "$target"
}

# room_for CHECKSUM NAME BYTES: for the archive's files, and so many bytes of it that are still to be fetched. An
# archive of archives is there twice for a moment.
room_for() {
  local needed free
  needed=$(files_of "$1" | awk '{ bytes += $2 + 4096 } END { printf "%.0f", bytes }')
  case $2 in *.tgz) needed=$((needed * 2)) ;; esac
  needed=$((needed + $3))
  free=$(df --output=avail -B1 "$STORE" | tail -n 1)
  [ "$free" -ge "$needed" ] ||
    fail "$2 takes $((needed / 1000000)) MB, and $STORE has $((free / 1000000)) MB free (artifact.storePath)"
}

unpack() {
  local inner options=(--extract --no-same-owner --no-same-permissions)
  tar "${options[@]}" --file "$1" --directory "$2" || fail "$1 could not be unpacked into $2"
  for inner in "$2"/*.tar; do
    [ -e "$inner" ] || continue
    # One that the manifest lists itself is no archive of files.
    ! files_of "$3" | awk -v path="${inner##*/}" '$3 == path { found = 1 } END { exit !found }' || continue
    tar "${options[@]}" --file "$inner" --directory "$2" || fail "${inner##*/} of $1 could not be unpacked"
    rm "$inner"
  done
  # The manifest has names of plain characters alone, the others percent-encoded (plainPath in wire.ts).
  # shellcheck disable=SC2016 # Perl's variables
  LC_ALL=C find "$2" -mindepth 1 -depth -name '*[!A-Za-z0-9_.+~:@%=,-]*' -print0 | perl -0 -ne '
    chomp;
    my ($folder, $name) = m{^(.*)/(.*)$}s;
    $name =~ s/[^A-Za-z0-9_.+~:@%=,-]/sprintf "%%%02X", ord $&/ge;
    rename $_, "$folder/$name" or die "$_: $!\n";'
}

# Links that lead to no file of the archive are in no manifest, and nobody takes them.
verify() {
  local work=$1 sha=$2 name=$3 findings
  findings=$(
    cd "$work" || exit
    files_of "$sha" | awk '{ print $1 "  " $3 }' | sha256sum --check --quiet --strict 2>/dev/null |
      sed -e 's/: FAILED open or read$/ is missing/' -e 's/: FAILED$/ is not what the manifest says/' || true
    comm -13 <(files_of "$sha" | awk '{ print $3 }' | sort) <(find . ! -type d ! -type l -printf '%P\n' | sort) |
      sed 's/$/ is not in the manifest/'
  )
  [ -z "$findings" ] || fail "$name and its manifest do not belong together:
$(head -n 20 <<<"$findings")"
}

# What no archive of this stack needs any more.
prune() {
  local entry
  for entry in "$STORE"/archives/*; do
    case " $(awk '{ printf "%s ", $1 }' <<<"$ARCHIVES")" in
      *" ${entry##*/} "*) ;;
      *) rm -rf "$entry" ;;
    esac
  done
  # A file that only this name is left of was part of an archive that is gone.
  find "$STORE/files" -type f -links 1 -delete
  rm -rf "$STORE/downloads"
}

remove() {
  rm -rf "$STORE/archives" "$STORE/files" "$STORE/downloads" "$STORE"/lock*
  # The place of a disk of its own stays, and so does what others use.
  rmdir --parents "$STORE" 2>/dev/null || true
}
