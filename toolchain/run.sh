#!/bin/sh
# Runs one of the project's TypeScript programs: `sh toolchain/run.sh FILE [ARGUMENTS]`.
# It is all the shell that is needed before Node packages are there: it installs the pinned packages
# when package-lock.json has changed since the last install, then hands over to tsx.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)

command -v node >/dev/null || { echo "Node.js 20 or newer is needed: https://nodejs.org" >&2; exit 1; }
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || {
  echo "Node.js 20 or newer is needed, this is $(node --version)" >&2
  exit 1
}

# npm writes node_modules/.package-lock.json last, so its age tells a finished install from a broken one.
if [ -z "$(find "$here/node_modules/.package-lock.json" -newer "$here/package-lock.json" 2>/dev/null)" ]; then
  echo "installing the Node packages that package-lock.json pins ..." >&2
  # Not `npm ci`: it insists on a lock entry for the optional packages of every platform, and the lock file has
  # those of Linux on x64 alone. What the file has is taken at its versions either way.
  (cd "$here" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  touch "$here/node_modules/.package-lock.json"
fi

program=$1
shift
cd "$here"
exec node --import "$here/node_modules/tsx/dist/loader.mjs" "$here/$program" "$@"
