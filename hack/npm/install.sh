#!/usr/bin/env bash
# Installs the migration tools that package-lock.json pins into the cache, and prints the folder that holds node_modules.
# The cache's key is the lock file and Node's version; several processes may call this at once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for program in node npm; do
  command -v "$program" >/dev/null || { echo "hack/npm/install.sh: no $program here; hack/setup.sh tools names what is missing" >&2 && exit 1; }
done
key=$(cat "$here/package-lock.json" "$here/install.sh" <(node --version) | git hash-object --stdin)
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}/npm
folder=$cache/$key

fetch() {
  [[ -d $folder ]] && return # another process has been here while this one waited
  local new=$folder.$$
  mkdir -p "$new"
  cp "$here/package.json" "$here/package-lock.json" "$new"
  # No script of a package is run: none of these needs one.
  (cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
  mv "$new" "$folder"
}

if [[ ! -d $folder ]]; then
  mkdir -p "$cache"
  (
    flock 9
    fetch
  ) 9>"$cache/.lock"
fi
printf '%s\n' "$folder"
