#!/bin/bash
# Builds the kind node image and the PostgreSQL image from Go modules and Debian packages, for machines without
# access to a registry, and prints their names. Every result is cached under a hash of its inputs. Requires root,
# mmdebstrap, and docker or podman (hack/setup.sh node engine).
#
#   hack/node/build.sh [node] [postgres]      default: both
#   hack/node/build.sh --name node            prints the name, and builds nothing
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

# build builds one image; a concurrent run waits for the first and uses its result.
build() {
	[[ $EUID -eq 0 ]] || die "building the $1 image creates a Debian root file system: run as root, or give the engine access to a registry"
	need mmdebstrap go "$engine"
	mkdir -p "$cache/logs"
	exec 9>"$cache/lock"
	flock 9
	have "$2" || "$1"_image "$2"
	prune "$1"
	flock -u 9
}

main "$@"
