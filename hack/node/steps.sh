# shellcheck shell=bash
# Functions of build.sh that build each result once. A result is a directory or an image, named after the hash of its
# inputs; it is built under another name and then renamed, so a killed run leaves no incomplete result.

shopt -s inherit_errexit
engine=${SHIPLOCK_ENGINE:-}
[[ -n $engine ]] || if docker info >/dev/null 2>&1; then engine=docker; else engine=podman; fi
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}/node
readonly engine cache

die() { echo "hack/node: $*" >&2 && exit 1; }

need() {
	local tool missing=()
	for tool; do command -v "$tool" >/dev/null || missing+=("$tool"); done
	[[ ${#missing[@]} -eq 0 ]] || die "missing ${missing[*]}: run hack/setup.sh node engine for the install command"
}

# hash_of FILE... prints a hash of the files' names and contents, and of the Go toolchain.
hash_of() {
	{
		find "$@" \( -type f -o -type l \) ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
		go env GOVERSION GOARCH
	} | sha256sum | cut -c1-12
}

have() { "$engine" image inspect "$1" >/dev/null 2>&1; }

# step NAME COMMAND... runs a command with its output in a log file, and prints the end of the log if it fails.
step() {
	local name=$1 log=$cache/logs/$1.log start=$SECONDS code=0
	shift
	set +e # not `if "$@"`, which would disable errexit inside COMMAND
	(
		set -e
		"$@"
	) >"$log" 2>&1
	code=$?
	set -e
	if [[ $code -ne 0 ]]; then
		tail -n 25 "$log" >&2
		die "$name failed with exit code $code; see $log"
	fi
	echo "hack/node: $name $((SECONDS - start))s" >&2
}

# make_once DIR COMMAND... creates DIR: COMMAND fills an empty directory, its last argument, which is then renamed.
make_once() {
	local dir=$1 new=$1.new
	shift
	if [[ ! -d $dir ]]; then
		rm -rf "$new"
		mkdir -p "$new"
		step "$(basename "$dir")" "$@" "$new"
		mv "$new" "$dir"
	fi
	touch "$dir" # prune uses the time of the last use
}

# inputs IMAGE prints the files from which an image is built.
inputs() {
	case $1 in
	node) echo kubernetes etcd containerd coredns pause files {programs,roots,images}.sh ;;
	postgres) echo postgres {roots,images}.sh ;;
	*) die "unknown image $1: node or postgres" ;;
	esac
}

# prune removes results unused for a month, and all but the three newest images of a name.
prune() { # IMAGE
	find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name logs -mtime +30 -exec rm -rf {} +
	"$engine" images --filter "reference=localhost/shiplock/$1" --format '{{.Repository}}:{{.Tag}}' |
		grep -v ':dev$' | tail -n +4 | xargs -r "$engine" rmi >/dev/null 2>&1 || true # a cluster may use one
}
