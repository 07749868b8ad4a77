# What a KVM host knows of the deployment on it: who is at work on it, whose it is, and an encrypted copy of its state.
# Run as: bash -c TEXT wiab VERB DIRECTORY [ARGUMENT...]
set -euo pipefail
umask 077
verb=$1 directory=$2
shift 2
mkdir -p "$directory"
cd "$directory"

# hold|take OWNER HOLDER: keeps others out until standard input ends, which it does with whoever called. `hold` wants the
# deployment to be the caller's or nobody's, `take` makes it so.
hold() {
  local owner
  exec 9>>lock
  # A run that was killed lets go as soon as its end is noticed.
  flock --timeout 3 9 || { printf 'held %s\n' "$(cat holder 2>/dev/null || true)"; return; }
  owner=$(cat owner 2>/dev/null || true)
  [ "$verb" = take ] || [ -z "$owner" ] || [ "$owner" = "$1" ] || { printf 'owned %s\n' "$owner"; return; }
  printf '%s\n' "$2" >holder
  printf '%s\n' "$1" >owner
  echo ours
  cat >/dev/null
  rm -f holder
}

take() { hold "$@"; }

# put: keeps standard input as the copy, whole or not at all.
put() {
  cat >copy.new
  [ -s copy.new ]
  mv copy.new copy
}

get() { [ ! -e copy ] || cat copy; }

# remains NETWORK LIBVIRT [STORE]: prints what libvirt has of the deployment, whose network and pool go last. Its files say so
# while it does not run, too. Without a hypervisor it is the unpacked artifact that a destroy takes away.
remains() {
  local file
  for file in "$2/qemu/networks/$1.xml" "$2/storage/$1.xml" ${3:+"$3/archives"}; do
    [ ! -e "$file" ] || printf '%s\n' "$file"
  done
}

# leave: the deployment is gone, and is nobody's.
leave() {
  cd /
  rm -rf "$directory"
  rmdir --ignore-fail-on-non-empty "$(dirname "$directory")"
}

"$verb" "$@"
