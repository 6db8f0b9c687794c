#!/bin/bash
# Looks for what the build and the tests need on this machine and names everything that is missing at once,
# with the command that gets it. In CI (CI=true, root, Debian or its kin) it runs that command itself.
#
#   hack/setup.sh [go] [postgres] [engine] [node] [tools] [lint]      all of them but lint when none is named
#
#   go        Go, a C compiler (the SQL parser is C), make and git
#   postgres  PostgreSQL's server programs and PgBouncer, for tests against the real ones; npm, by which hack/postgres fetches
#             other PostgreSQL versions
#   engine    Docker where it works, else podman
#   node      what hack/node makes the cluster's images with where no registry can be reached
#   tools     other people's migration tools, or what they run on, for internal/toolbox and examples; a Pushgateway
#   lint      the linters that are no Go programs
set -euo pipefail

readonly go_wanted=1.26
packages=() notes=() update=false

has() { command -v "$1" >/dev/null; }

want_go() {
	has gcc || packages+=(gcc libc6-dev)
	has make || packages+=(make)
	has git || packages+=(git)
	local version
	version=$(go env GOVERSION 2>/dev/null || echo go0)
	if ! printf '%s\n' "$go_wanted" "${version#go}" | sort -VC; then
		notes+=("Go $go_wanted or newer (found: ${version/go0/none}): from the Go project's download page")
	fi
}

want_postgres() {
	{ has initdb && has pg_ctl; } || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
	# Debian keeps it where a user's PATH does not look
	has pgbouncer || [[ -x /usr/sbin/pgbouncer ]] || packages+=(pgbouncer)
	want_npm
}

want_npm() {
	has node || [[ " ${packages[*]} " == *' nodejs '* ]] || packages+=(nodejs)
	has npm || [[ " ${packages[*]} " == *' npm '* ]] || packages+=(npm)
}

docker_works() {
	[[ -n ${docker-} ]] || { has docker && timeout 10 docker info >/dev/null 2>&1 && docker=yes; } || docker=no
	[[ $docker == yes ]]
}

want_engine() {
	docker_works && return
	has podman || packages+=(podman)
	# beside podman's own choice of crun, which refuses a cgroup v1 with controllers in its v2 tree
	has runc || packages+=(runc)
}

want_node() {
	# a Docker that works nearly always reaches a registry; where it does not, hack/node names what it lacks
	docker_works && return
	has mmdebstrap || packages+=(mmdebstrap)
	! is_debian || compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || update=true
}

# Debian's python3 has Debian's modules, whichever one stands first in PATH.
want_tools() {
	want_npm
	has java || packages+=(default-jre-headless)
	has psql || packages+=(postgresql-client)
	has alembic || packages+=(alembic)
	want_promtool
	has systemd-analyze || packages+=(systemd) # only to check a unit file
	has prometheus-pushgateway || has pushgateway || packages+=(prometheus-pushgateway)
	/usr/bin/python3 -c 'import psycopg2' 2>/dev/null || packages+=(python3-psycopg2)
	/usr/bin/python3 -c 'import django' 2>/dev/null || packages+=(python3-django)
}

want_lint() {
	has shellcheck || packages+=(shellcheck)
	has yamllint || packages+=(yamllint)
	want_promtool
}

want_promtool() { has promtool || packages+=(prometheus); } # the chart's alerts are tried with it

look() {
	local part
	packages=() notes=() update=false
	for part in "$@"; do "want_$part"; done
}

is_debian() {
	(
		# shellcheck source=/dev/null
		. /etc/os-release 2>/dev/null && [[ " $ID ${ID_LIKE-} " == *' debian '* ]] && has apt-get
	)
}

install_packages() {
	# Debian's postgresql starts a server of its own, which nobody here uses.
	local conf=/etc/postgresql-common/createcluster.conf
	if [[ " ${packages[*]} " == *' postgresql '* && ! -e $conf ]]; then
		mkdir -p "${conf%/*}"
		echo 'create_main_cluster = false' >"$conf"
	fi
	# The same goes for PgBouncer; invoke-rc.d asks this file before it starts anything.
	local policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	[[ ${#packages[@]} -eq 0 ]] ||
		apt-get install -qy --no-install-recommends -o Dpkg::Options::=--force-confold "${packages[@]}"
}

tell() {
	local note sudo='' command
	echo 'hack/setup.sh: missing on this machine:'
	for note in "${notes[@]}"; do echo "  $note"; done
	if [[ ${#packages[@]} -gt 0 || $update == true ]]; then
		[[ $EUID -eq 0 ]] || sudo='sudo '
		command="${sudo}apt-get update"
		[[ ${#packages[@]} -eq 0 ]] || command+=" && ${sudo}apt-get install --no-install-recommends ${packages[*]}"
		is_debian && echo "  $command" || echo "  what Debian calls: ${packages[*]}"
		[[ $EUID -ne 0 || ${CI-} == true ]] || ! is_debian || echo '  (with CI=true this script runs it)'
	fi
}

main() {
	local part
	[[ $# -gt 0 ]] || set -- go postgres engine node tools
	for part in "$@"; do
		[[ $part =~ ^(go|postgres|engine|node|tools|lint)$ ]] || { echo "hack/setup.sh: no part is called $part" >&2 && exit 2; }
	done
	look "$@"
	if [[ (${#packages[@]} -gt 0 || $update == true) && ${CI-} == true && $EUID -eq 0 ]] && is_debian; then
		install_packages >&2
		look "$@"
	fi
	[[ ${#packages[@]} -eq 0 && ${#notes[@]} -eq 0 && $update == false ]] || { tell >&2 && exit 1; }
}

main "$@"
