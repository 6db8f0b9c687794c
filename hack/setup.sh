#!/bin/bash
# Checks that the prerequisites of build and tests are installed, and prints everything that is missing, with the
# install command. In CI (CI=true, root, Debian or a derivative) it runs that command.
#
#   hack/setup.sh [go] [postgres] [engine] [node] [tools] [lint]      default: all but lint
#
#   go        Go, a C compiler (the SQL parser is C), make and git
#   postgres  PostgreSQL's server programs and PgBouncer, for tests against real servers; npm, with which hack/postgres fetches
#             other PostgreSQL versions
#   engine    Docker if it works, otherwise podman
#   node      the tools with which hack/node builds the cluster's images if no registry is reachable
#   tools     external migration tools or their runtimes, for internal/test/tools and the examples; a Pushgateway
#   lint      the linters that are not Go programs
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
	# Debian installs it outside a user's PATH
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
	# podman's default, crun, refuses a cgroup v1 with controllers in its v2 tree
	has runc || packages+=(runc)
}

want_node() {
	# a working Docker nearly always reaches a registry; otherwise hack/node reports what is missing
	docker_works && return
	has mmdebstrap || packages+=(mmdebstrap)
	! is_debian || compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || update=true
}

# Debian's python3 has Debian's modules, even if another one is first in PATH.
want_tools() {
	want_npm
	has java || packages+=(default-jre-headless)
	has psql || packages+=(postgresql-client)
	has alembic || packages+=(alembic)
	want_promtool
	has systemd-analyze || packages+=(systemd) # only to verify unit files
	has prometheus-pushgateway || has pushgateway || packages+=(prometheus-pushgateway)
	/usr/bin/python3 -c 'import psycopg2' 2>/dev/null || packages+=(python3-psycopg2)
	/usr/bin/python3 -c 'import django' 2>/dev/null || packages+=(python3-django)
}

want_lint() {
	has shellcheck || packages+=(shellcheck)
	has yamllint || packages+=(yamllint)
	want_promtool
}

want_promtool() { has promtool || packages+=(prometheus); } # tests the chart's alerts

find_missing() {
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
	# Debian's postgresql starts a server, which is not used here.
	local conf=/etc/postgresql-common/createcluster.conf
	if [[ " ${packages[*]} " == *' postgresql '* && ! -e $conf ]]; then
		mkdir -p "${conf%/*}"
		echo 'create_main_cluster = false' >"$conf"
	fi
	# The same applies to PgBouncer; invoke-rc.d runs this file before it starts a service.
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

print_missing() {
	local note sudo='' command
	echo 'hack/setup.sh: missing on this machine:'
	for note in "${notes[@]}"; do echo "  $note"; done
	if [[ ${#packages[@]} -gt 0 || $update == true ]]; then
		[[ $EUID -eq 0 ]] || sudo='sudo '
		command="${sudo}apt-get update"
		[[ ${#packages[@]} -eq 0 ]] || command+=" && ${sudo}apt-get install --no-install-recommends ${packages[*]}"
		is_debian && echo "  $command" || echo "  (Debian package names) ${packages[*]}"
		[[ $EUID -ne 0 || ${CI-} == true ]] || ! is_debian || echo '  (with CI=true this script runs it)'
	fi
}

main() {
	local part
	[[ $# -gt 0 ]] || set -- go postgres engine node tools
	for part in "$@"; do
		[[ $part =~ ^(go|postgres|engine|node|tools|lint)$ ]] || { echo "hack/setup.sh: unknown part: $part" >&2 && exit 2; }
	done
	find_missing "$@"
	if [[ (${#packages[@]} -gt 0 || $update == true) && ${CI-} == true && $EUID -eq 0 ]] && is_debian; then
		install_packages >&2
		find_missing "$@"
	fi
	[[ ${#packages[@]} -eq 0 && ${#notes[@]} -eq 0 && $update == false ]] || { print_missing >&2 && exit 1; }
}

main "$@"
