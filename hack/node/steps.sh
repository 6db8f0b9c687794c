# shellcheck shell=bash
# How build.sh does one thing once. Each result is a folder (or an image) named after the hash of its inputs;
# it is made under another name and moved into place, so a killed run leaves nothing that looks finished.

shopt -s inherit_errexit
engine=${SHIPLOCK_ENGINE:-}
[[ -n $engine ]] || if docker info >/dev/null 2>&1; then engine=docker; else engine=podman; fi
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}/node
readonly engine cache

die() { echo "hack/node: $*" >&2 && exit 1; }

need() {
	local tool missing=()
	for tool; do command -v "$tool" >/dev/null || missing+=("$tool"); done
	[[ ${#missing[@]} -eq 0 ]] || die "missing ${missing[*]}: hack/setup.sh node engine tells how to get it"
}

# hash_of FILE...: of the files' names and contents, and of what compiles them.
hash_of() {
	{
		find "$@" \( -type f -o -type l \) ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
		go env GOVERSION GOARCH
	} | sha256sum | cut -c1-12
}

have() { "$engine" image inspect "$1" >/dev/null 2>&1; }

# step NAME COMMAND... runs with its output in a log of its own and shows the end of it when it fails.
step() {
	local name=$1 log=$cache/logs/$1.log start=$SECONDS code=0
	shift
	set +e # not `if "$@"`: that would switch errexit off inside COMMAND
	(
		set -e
		"$@"
	) >"$log" 2>&1
	code=$?
	set -e
	if [[ $code -ne 0 ]]; then
		tail -n 25 "$log" >&2
		die "$name ended with $code; the whole of its output is in $log"
	fi
	echo "hack/node: $name $((SECONDS - start))s" >&2
}

# make_once DIR COMMAND...: COMMAND fills an empty folder, given as its last argument, which becomes DIR.
make_once() {
	local dir=$1 new=$1.new
	shift
	if [[ ! -d $dir ]]; then
		rm -rf "$new"
		mkdir -p "$new"
		step "$(basename "$dir")" "$@" "$new"
		mv "$new" "$dir"
	fi
	touch "$dir" # prune goes by the time of last use
}

# inputs IMAGE: the files that an image is made of.
inputs() {
	case $1 in
	node) echo kubernetes etcd containerd coredns pause files {programs,roots,images}.sh ;;
	postgres) echo postgres {roots,images}.sh ;;
	*) die "unknown image $1: node or postgres" ;;
	esac
}

# prune drops what nobody used for a month, and all but the three newest images of a name.
prune() { # IMAGE
	find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name logs -mtime +30 -exec rm -rf {} +
	"$engine" images --filter "reference=localhost/shiplock/$1" --format '{{.Repository}}:{{.Tag}}' |
		grep -v ':dev$' | tail -n +4 | xargs -r "$engine" rmi >/dev/null 2>&1 || true # a cluster may run on one
}
