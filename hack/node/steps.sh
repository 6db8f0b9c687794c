# shellcheck shell=bash
# Functions of build.sh that build each result once. A result is a directory or an image, named after the hash of its
# inputs; it is built under another name and then renamed, so a killed run leaves no incomplete result.

shopt -s inherit_errexit
engine=${SHIPLOCK_ENGINE:-}
[[ -n $engine ]] || if docker info >/dev/null 2>&1; then engine=docker; else engine=podman; fi
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}/node
readonly engine cache
# shellcheck source-path=SCRIPTDIR/.. source=../progress.sh
source ../progress.sh

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

# step NAME COMMAND... runs a command with its output in a log file, shows its progress, and prints the end of the log if it
# fails.
step() {
	local name=$1 log=$cache/logs/$1.log start=$SECONDS code=0 watcher
	shift
	rm -f "$log.expected"
	: >"$log"
	watch "hack/node: ${name%-????????????}" "$log" &
	watcher=$!
	set +e # not `if "$@"`, which would disable errexit inside COMMAND
	(
		set -e
		"$@"
	) >"$log" 2>&1
	code=$?
	kill "$watcher"
	wait "$watcher" 2>/dev/null
	set -e
	if [[ $code -ne 0 ]]; then
		tail -n 25 "$log" >&2
		die "$name failed with exit code $code; see $log"
	fi
	echo "hack/node: $name $((SECONDS - start))s" >&2
}

# watch shows the progress of a step until it is killed: the number of lines in its log, if it is known how many are expected.
watch() { # NAME LOG
	local done total='' unit=''
	trap 'progress_end; exit' TERM
	progress_start "$1"
	while kill -0 $$ 2>/dev/null; do
		done=''
		if [[ -s $2.expected ]]; then
			read -r total unit <"$2.expected"
			done=$(compiled "$2")
		fi
		progress "$done" "$total" "$unit"
		sleep 1
	done
}

compiled() { grep -cE '^[a-z0-9./_-]+$' "$1" || true; } # LOG

# go adds -v to a build of programs.sh, which prints the packages that it compiles, and writes their number for watch.
# The flag is not in programs.sh, because that file is an input of the images: another one means another cluster.
go() {
	local stale
	if [[ $1 != build || -z ${log-} ]]; then
		command go "$@"
		return
	fi
	stale=$(command go list -C "$3" -deps -f '{{.Stale}}' "${*: -1}" | grep -c true || true)
	echo "$((stale + $(compiled "$log"))) packages" >"$log.expected"
	command go build -C "$3" -v "${@:4}"
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
