#!/usr/bin/env bash
# Empties Shiplock's cache of node images and tools. Go's caches remain.
set -euo pipefail
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}
[[ $cache == */shiplock* ]] || { echo "clean-cache.sh: $cache is not a directory of Shiplock's; remove it manually" >&2; exit 1; }
rm -rf "$cache"
