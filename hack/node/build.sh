#!/bin/bash
# Builds the kind node image and the PostgreSQL image from Go modules and Debian packages, for machines where
# no registry can be reached, and prints their names. Everything is kept under a hash of what it was made
# from, so a second run finds it done. Needs root, mmdebstrap and docker or podman (hack/setup.sh node engine).
#
#   hack/node/build.sh [node] [postgres]      both when none is named
#   hack/node/build.sh --name node            the name only, and nothing is built
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR source=steps.sh
for part in steps programs roots images; do source "./$part.sh"; done

main() {
	local only_name=false image name list files
	[[ ${1-} == --name ]] && only_name=true && shift
	[[ $# -gt 0 ]] || set -- node postgres
	for image in "$@"; do
		list=$(inputs "$image")
		read -ra files <<<"$list"
		name=localhost/shiplock/$image:$(hash_of "${files[@]}")
		$only_name || have "$name" || build "$image" "$name" >&2
		echo "$name"
	done
}

# build makes one image; a second run at the same time waits for the first and then finds its work.
build() {
	[[ $EUID -eq 0 ]] || die "building the $1 image makes a Debian root file system: run as root, or let the engine reach a registry"
	need mmdebstrap go "$engine"
	mkdir -p "$cache/logs"
	exec 9>"$cache/lock"
	flock 9
	have "$2" || "$1"_image "$2"
	prune "$1"
	flock -u 9
}

main "$@"
