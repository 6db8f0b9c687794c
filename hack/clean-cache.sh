#!/usr/bin/env bash
# Empties Shiplock's own cache: node images, tools. Go's caches are Go's.
set -euo pipefail
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}
[[ $cache == */shiplock* ]] || { echo "clean-cache.sh: $cache does not look like Shiplock's; remove it yourself" >&2; exit 1; }
rm -rf "$cache"
