#!/bin/bash
# Puts the images of an artifact into a registry. It stands alone: it lies in a bundle beside the archives, and
# people with a registry of their own run it by hand. An image that the registry has is left as it is, so a run
# that was broken off is gone on with by running it again.
set -euo pipefail
export LC_ALL=C.UTF-8

usage() {
  cat <<'USAGE'
usage: load-and-push-images.sh [OPTION]... REGISTRY_HOST

Puts the images of an artifact into the registry REGISTRY_HOST, a name or address with a port if it is not 443.
The names of the registries that they come from are left out: docker.io/library/nginx:1 becomes
REGISTRY_HOST/library/nginx:1, where a mirror of docker.io is expected to have it.

  --directory DIR   folder with containers-*.tar, or with those archives unpacked (default: this script's)
  --authfile FILE   credentials, as "skopeo login --authfile FILE REGISTRY_HOST" writes them
                    (default: what skopeo login or docker login has left in your home)
  --cert-dir DIR    folder with the certificate of the registry's authority, as *.crt (default: those of the system)
  --without FILE    images to leave out, one a line, as containers-helm/NAME.tar (default: none)
  --jobs N          images to push at once (default: 4)

Images are unpacked one at a time per job into $TMPDIR (default: /tmp), which needs room for them.
Exit code 0: every image is there. 1: not every one, see the lines before. 2: wrong call.
USAGE
}

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

wrong_call() {
  printf 'error: %s\n\n' "$*" >&2
  usage >&2
  exit 2
}

directory=${BASH_SOURCE[0]} registry='' jobs=4
case $directory in
  */*) directory=${directory%/*}/ ;;
  *) directory=. ;;
esac
inspect_options=() copy_options=()
declare -A left_out=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    --directory | --authfile | --cert-dir | --without | --jobs)
      [ $# -ge 2 ] || wrong_call "$1 needs a value"
      case $1 in
        --directory) directory=$2 ;;
        --authfile)
          [ -r "$2" ] || die "$2, which --authfile names, does not exist or cannot be read"
          set -- "$1" "$(realpath "$2")" "${@:3}"
          inspect_options+=(--authfile "$2") copy_options+=(--dest-authfile "$2")
          ;;
        --cert-dir)
          [ -d "$2" ] || die "$2, which --cert-dir names, is not a folder"
          set -- "$1" "$(realpath "$2")" "${@:3}"
          inspect_options+=(--cert-dir "$2") copy_options+=(--dest-cert-dir "$2")
          ;;
        --without)
          [ -r "$2" ] || die "$2, which --without names, does not exist or cannot be read"
          while read -r name; do [ -z "$name" ] || left_out[$name]=yes; done <"$2"
          ;;
        --jobs) jobs=$2 ;;
      esac
      shift 2
      ;;
    -*) wrong_call "unknown option $1" ;;
    *)
      [ -z "$registry" ] || wrong_call "one registry only, not $registry and $1"
      registry=$1
      shift
      ;;
  esac
done
[ -n "$registry" ] || wrong_call "which registry?"
[[ $registry =~ ^[A-Za-z0-9.-]+(:[0-9]+)?$|^\[[0-9a-fA-F:]+\](:[0-9]+)?$ ]] ||
  wrong_call "$registry is not a host with or without a port"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || wrong_call "--jobs needs a number, not $jobs"
command -v skopeo >/dev/null || die "skopeo is missing; install the package of that name"
# Paths from here on are relative, since a colon in one would mean something to skopeo.
cd "$directory" || exit 1

# What a run that was killed has left takes as much room as an image.
temporary=${TMPDIR:-/tmp}
for left in "$temporary"/load-and-push-images.*.??????; do
  pid=${left%.*}
  kill -0 "${pid##*.}" 2>/dev/null || rm -rf "$left"
done
work=$(mktemp --directory "$temporary/load-and-push-images.$$.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Each job is a process group, so that it can be ended with what it has started.
set -m
stop() {
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done
  exit 143
}
trap stop INT TERM HUP

# The images, each under the same number: its set (containers-helm), the file's name, format, references, id.
sets=() files=() formats=() targets=() ids=()
declare -A taken=()

list_images() {
  local set name
  for set in containers-*; do
    case $set in
      *.tar)
        # The same set unpacked beside it will do.
        [ ! -d "${set%.tar}" ] || continue
        tar --extract --to-stdout --file "$set" "${set%.tar}/index.txt" >"$work/index" 2>/dev/null ||
          die "$directory/$set is damaged, or no archive of images: it has no ${set%.tar}/index.txt"
        ;;
      *)
        [ -d "$set" ] || continue
        cat "$set/index.txt" >"$work/index" 2>/dev/null || die "$directory/$set has no index.txt"
        ;;
    esac
    while read -r name; do
      [ -z "$name" ] || add_image "$set" "$name"
    done <"$work/index"
  done
}

# What an archive says of itself, either kind of it.
description() {
  local set=$1 name=$2 parts=(manifest.json index.json)
  if [ -d "$set" ]; then
    tar --extract --to-stdout --file "$set/$name" "${parts[@]}" 2>/dev/null || true
  else
    { tar --extract --to-stdout --file "$set" "${set%.tar}/$name" | tar --extract --to-stdout --file - "${parts[@]}"; } \
      2>/dev/null || true
  fi | tr -d '[:space:]'
}

add_image() {
  local set=$1 name=$2 text format id references reference target other
  [[ $name =~ ^[A-Za-z0-9_.@+-]+$ ]] || die "$set names an image file $name, which is no plain file name"
  [ -z "${left_out[${set%.tar}/$name]:-}" ] || return 0
  text=$(description "$set" "$name")
  case $text in
    *'"RepoTags":['*)
      format=docker-archive
      references=$(grep -o '"RepoTags":\[[^]]*\]' <<<"$text" | grep -o '"[^"]*"' | tail -n +2) || true
      id=$(grep -o '"Config":"[^"]*"' <<<"$text" | grep -oE '[0-9a-f]{64}') || true
      ;;
    *'"org.opencontainers.image.ref.name":'*)
      format=oci-archive
      references=$(grep -oE '"(io.containerd.image.name|org.opencontainers.image.ref.name)":"[^"]*"' <<<"$text" |
        cut -d : -f 2- | head -n 1)
      id=$(grep -oE '"digest":"sha256:[0-9a-f]{64}"' <<<"$text" | grep -oE '[0-9a-f]{64}') || true
      ;;
  esac
  if [ -z "${references:-}" ] || [[ ! ${id:-} =~ ^[0-9a-f]{64}$ ]]; then
    problem "$set/$name" "is missing, damaged, or no archive of one image with a name"
    return
  fi
  for reference in ${references//\"/}; do
    target=$(without_registry "$reference")
    other=${taken[$target]:-}
    if [ -z "$other" ]; then
      taken[$target]="$id $reference"
      sets+=("$set") files+=("$name") formats+=("$format") targets+=("$target") ids+=("$id")
    elif [ "${other%% *}" != "$id" ]; then
      die "${other#* } and $reference are different images, and both would become $registry/$target; nothing was pushed." \
        "Take one of them out of its index.txt"
    fi
  done
}

# docker.io/library/nginx:1 and nginx:1 → library/nginx:1. A digest says more than a tag, and skopeo takes only one.
without_registry() {
  local path=$1 first=${1%%/*}
  if [ "$first" = "$path" ]; then
    path=library/$path
  elif [[ $first == *[.:]* || $first == localhost ]]; then
    path=${path#*/}
  fi
  if [[ $path == *@* && ${path%@*} == *:* ]]; then
    path=${path%:*@*}@${path#*@}
  fi
  printf '%s\n' "$path"
}

problem() {
  printf 'FAILED         %s %s\n' "$1" "$2" >&2
  echo "failed 0" >>"$work/results"
}

# Why skopeo failed, for the one who has to do something about it. Nothing if trying again may help.
advice() {
  case $1 in
    *unauthorized* | *"authentication required"* | *"invalid username/password"* | *"denied: "*)
      echo "$registry refuses the credentials: renew them with skopeo login --authfile FILE $registry, and give --authfile FILE"
      ;;
    *x509:*)
      echo "the certificate of $registry is not trusted: give the folder with its authority's certificate with --cert-dir"
      ;;
    *"HTTP response to HTTPS client"*)
      echo "$registry speaks plain HTTP: declare it as insecure in /etc/containers/registries.conf, or give it a certificate"
      ;;
    *"no space left"*) echo "no room: free some in $temporary, or on the registry" ;;
  esac
}

# skopeo's log lines, down to what they say.
reason() { sed -n 's/.*level=fatal msg="\(.*\)"$/\1/p' <<<"$1" | sed 's/\\"/"/g' | tail -n 1 | grep . || tail -n 1 <<<"$1"; }

# Whether the registry has this very image under this name.
is_there() {
  local target=$1 id=$2 manifest
  manifest=$(skopeo inspect --raw "${inspect_options[@]}" "docker://$registry/$target" 2>/dev/null) || return 1
  # Under a digest there can be nothing else.
  [[ $target != *@* ]] || return 0
  manifest=$(tr -d '[:space:]' <<<"$manifest")
  [[ $manifest =~ \"config\":\{[^}]*\"digest\":\"sha256:$id\" ]]
}

push() {
  local set=${sets[$1]} name=${files[$1]} format=${formats[$1]} target=${targets[$1]} id=${ids[$1]}
  local archive size output attempt options=()
  if is_there "$target" "$id"; then
    printf 'there already  %s/%s\n' "$registry" "$target"
    echo "there 0" >>"$work/results"
    return
  fi
  local unpacked=$work/$1.tar
  # Not every skopeo reads an archive that is compressed.
  case $set/$name in
    *.tar/*) archive=$unpacked && tar --extract --to-stdout --file "$set" "${set%.tar}/$name" >"$unpacked" ;;
    *gz) archive=$unpacked && gzip --decompress --stdout "$set/$name" >"$unpacked" ;;
    *) archive=$set/$name ;;
  esac || {
    problem "$set" "could not be unpacked: $name; see the line above"
    rm -f "$unpacked"
    return
  }
  size=$(stat --dereference --format %s "$archive")
  # An image that is known by its digest has to keep it; any other is compressed for the registry. Level 1 takes
  # three fifths of the usual level's time, and a tenth more room.
  case $format in
    docker-archive) options+=(--dest-compress-level 1) ;;
    oci-archive)
      options+=(--all)
      # skopeo before 1.6 (Ubuntu 22.04) does not know it; it keeps digests where the registry takes OCI's format.
      [[ $(skopeo copy --help) != *--preserve-digests* ]] || options+=(--preserve-digests)
      ;;
  esac
  # A registry under load may need a minute to itself: emulated, handshakes have run into their timeout for as long.
  for attempt in 1 2 3 4 5; do
    if output=$(skopeo copy --insecure-policy --quiet "${copy_options[@]}" "${options[@]}" \
      "$format:$archive" "docker://$registry/$target" 2>&1); then
      if is_there "$target" "$id"; then
        printf 'pushed         %s/%s (%d MB)\n' "$registry" "$target" $(((size + 500000) / 1000000))
        echo "pushed $size" >>"$work/results"
        break
      fi
      output="the registry has it under another digest; a skopeo of 1.6 or newer keeps digests"
    fi
    if [ "$attempt" = 5 ] || [ -n "$(advice "$output")" ]; then
      problem "$registry/$target" "from $set/$name: $(reason "$output")"
      break
    fi
    sleep $((attempt * 3))
  done
  rm -f "$unpacked"
}

# What concerns the registry as a whole is said once, not once an image.
try_registry() {
  local output attempt
  for attempt in 1 2 3; do
    if output=$(skopeo inspect --raw "${inspect_options[@]}" "docker://$registry/${targets[0]}" 2>&1 >/dev/null); then
      return
    fi
    case $output in *"manifest unknown"* | *"name unknown"* | *"repository name not known"*) return ;; esac
    [ -z "$(advice "$output")" ] || die "$(advice "$output") ($(reason "$output"))"
    [ "$attempt" = 3 ] || sleep $((attempt * 2))
  done
  die "$registry does not answer as a registry does: $(reason "$output")"
}

: >"$work/results"
list_images
[ ${#files[@]} -gt 0 ] || [ -s "$work/results" ] ||
  die "$directory has no images: neither containers-*.tar nor containers-*/ with an index.txt"
if [ ${#files[@]} -gt 0 ]; then
  try_registry
  for number in "${!files[@]}"; do
    [ "$number" -lt "$jobs" ] || wait -n || true
    push "$number" &
  done
  wait
fi

awk -v registry="$registry" '
  { count[$1]++; bytes += $2 }
  END {
    printf "%d images: %d pushed (%d MB), %d there already, %d failed\n",
      NR, count["pushed"], bytes / 1000000, count["there"], count["failed"]
    exit count["failed"] > 0
  }' "$work/results"
