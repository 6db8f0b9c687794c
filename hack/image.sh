#!/usr/bin/env bash
# Builds the migrator's static binary and, given a tag, its image.
#
#   hack/image.sh                                   builds bin/image/migrator
#   hack/image.sh localhost/shiplock/migrator:dev   also builds the image
#
# Environment: RELEASE (if set, the binary has no paths of this machine), VERSION (default: from git), OUT (default: bin/image),
# SHIPLOCK_ENGINE (docker or podman; default: docker if it works, otherwise podman).
set -euo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-bin/image}
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

engine() {
	if [[ -n ${SHIPLOCK_ENGINE:-} ]]; then
		echo "$SHIPLOCK_ENGINE"
	elif docker info >/dev/null 2>&1; then
		echo docker
	elif command -v podman >/dev/null; then
		echo podman
	else
		echo "hack/image.sh: neither Docker nor podman is available; on Debian run: apt-get install podman" >&2
		return 1
	fi
}

binary() {
	# cgo for PostgreSQL's parser; linked statically, with Go's resolver and user
	# lookup, because glibc's cannot be linked statically.
	# Only a release trims paths: without -trimpath, a build shares the compiled parser with the tests and
	# `go build`, which saves 50 seconds of processor time.
	CGO_ENABLED=1 go build ${RELEASE:+-trimpath} -tags netgo,osusergo -o "$out/migrator" \
		-ldflags "-s -w -linkmode external -extldflags '-static'
			-X github.com/shiplock/shiplock/internal/cli.Version=$version
			-X github.com/shiplock/shiplock/internal/cli.Commit=$commit" \
		./cmd/migrator
	go run ./hack/cacerts >"$out/ca-certificates.crt"
}

if [[ $(uname -s) != Linux ]]; then
	echo "hack/image.sh: the image contains a Linux binary that links C code; run this script on Linux, or in a Linux container with Go and gcc" >&2
	exit 1
fi
mkdir -p "$out"
exec 9>"$out.lock" # tests of several packages may build at once
flock 9
binary
if [[ $# -gt 0 ]]; then
	# A fixed modification time gives equal content an equal image ID.
	touch -d @0 "$out/migrator" "$out/ca-certificates.crt"
	"$(engine)" build --quiet -t "$1" -f Containerfile "$out" >/dev/null
	echo "$1"
fi
