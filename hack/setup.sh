#!/bin/bash
# Installs the prerequisites of build and tests that are missing, after one line with their names and reasons: on Debian
# and its derivatives, as root or with a sudo that asks for no password. Elsewhere it prints the command that installs
# them, and exits with 1.
#
#   hack/setup.sh [go] [server] [postgres] [engine] [node] [tools] [lint]      default: all but lint
#
#   go        Go, a C compiler (the SQL parser is C), make and git
#   server    PostgreSQL's server programs
#   postgres  server, and for the tests: PgBouncer; npm, with which hack/postgres fetches other PostgreSQL versions
#   engine    Docker if it works, otherwise podman
#   node      the tools with which hack/node builds the cluster's images if no registry is reachable
#   tools     external migration tools or their runtimes, for internal/test/tools and the examples; a Pushgateway
#   lint      the linters that are not Go programs
#
# Environment: SHIPLOCK_INSTALL=no only prints the command.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=progress.sh
source hack/progress.sh

readonly go_wanted=1.26
# The tests' file system: hack/setup replaces /etc, /usr and /var with it.
readonly root=${SHIPLOCK_SETUP_ROOT:-}
packages=() reasons=() notes=() update=false

has() { command -v "$1" >/dev/null; }

# want REASON PACKAGE... adds packages to the missing ones, unless they are among them.
want() {
	local reason=$1 package new=()
	shift
	for package; do
		[[ " ${packages[*]} " == *" $package "* ]] || new+=("$package")
	done
	[[ ${#new[@]} -gt 0 ]] || return 0
	packages+=("${new[@]}")
	reasons+=("${new[*]} ($reason)")
}

want_go() {
	has gcc || want 'the SQL parser is C' gcc libc6-dev
	has make || want 'runs the targets' make
	has git || want 'reports the version' git
	local version
	version=$(go env GOVERSION 2>/dev/null || echo none)
	if ! printf '%s\n' "$go_wanted" "${version#go}" | sort -VC || [[ $version == none ]]; then
		notes+=("Go $go_wanted or newer (found: ${version#go}): from the Go project's download page")
	fi
}

want_server() {
	{ has initdb && has pg_ctl; } || compgen -G "$root/usr/lib/postgresql/*/bin/initdb" >/dev/null || want 'server programs' postgresql
}

want_postgres() {
	want_server
	# Debian installs it outside a user's PATH
	has pgbouncer || [[ -x $root/usr/sbin/pgbouncer ]] || want 'connection pooler of the tests' pgbouncer
	want_npm
}

want_npm() {
	has node || want 'runs external migration tools' nodejs
	has npm || want 'fetches other PostgreSQL versions and tools' npm
}

docker_works() {
	[[ -n ${docker-} ]] || { has docker && timeout 10 docker info >/dev/null 2>&1 && docker=yes; } || docker=no
	[[ $docker == yes ]]
}

want_engine() {
	docker_works && return
	has podman || want 'runs the cluster' podman
	# podman's default, crun, refuses a cgroup v1 with controllers in its v2 tree
	has runc || want 'runtime of podman' runc
}

want_node() {
	# a working Docker nearly always reaches a registry; otherwise hack/node reports what is missing
	docker_works && return
	has mmdebstrap || want "builds the node's file system where no registry answers" mmdebstrap
	! is_debian || compgen -G "$root/var/lib/apt/lists/*_Packages*" >/dev/null || update=true
}

# Debian's python3 has Debian's modules, even if another one is first in PATH.
want_tools() {
	local external='external migration tool of the tests'
	want_npm
	has java || want 'runs Liquibase and Flyway' default-jre-headless
	has mvn || want 'installs Liquibase and Flyway' maven
	has rails || want "$external" ruby-railties
	"$root/usr/bin/ruby" -e 'require "active_record"; require "pg"' 2>/dev/null || want "$external" ruby-activerecord ruby-pg
	has sqitch || want "$external" sqitch libdbd-pg-perl
	has psql || want "$external" postgresql-client
	want_promtool
	has systemd-analyze || want 'verifies unit files' systemd
	has prometheus-pushgateway || has pushgateway || want 'receives metrics of the tests' prometheus-pushgateway
	"$root/usr/bin/python3" -c 'import venv, ensurepip' 2>/dev/null || want 'installs Alembic and Django' python3-venv
}

want_lint() {
	has shellcheck || want 'linter' shellcheck
	has yamllint || want 'linter' yamllint
	want_promtool
}

want_promtool() { has promtool || want "tests the chart's alerts" prometheus; }

find_missing() {
	local part
	packages=() reasons=() notes=() update=false
	for part in "$@"; do "want_$part"; done
	# An installation needs current lists.
	[[ ${#packages[@]} -eq 0 ]] || update=true
}

is_debian() {
	(
		# shellcheck source=/dev/null
		. "$root/etc/os-release" 2>/dev/null && [[ " $ID ${ID_LIKE-} " == *' debian '* ]] && has apt-get
	)
}

is_root() { [[ $(id -u) -eq 0 ]]; }

# may_install reports whether the packages can be installed without a question.
may_install() {
	[[ ${SHIPLOCK_INSTALL-} != no ]] && is_debian && { is_root || { has sudo && sudo -n true 2>/dev/null; }; }
}

# install_missing prints what is installed and why, and installs it. A failure prints apt-get's last lines.
install_missing() {
	local log list='the lists of packages (hack/node reads them)'
	[[ ${#packages[@]} -eq 0 ]] || printf -v list '%s, ' "${reasons[@]}"
	echo "hack/setup.sh: apt-get installs ${list%, }"
	log=$(mktemp)
	if ! install_packages "$log"; then
		tail -n 15 "$log"
		rm -f "$log"
		echo "hack/setup.sh: apt-get failed; correct the cause above, or run: $(install_command)"
		exit 1
	fi
	rm -f "$log"
}

install_packages() { # LOG
	# sudo clears the environment; apt-get reads the proxies from it. The texts of apt's status are read below.
	local as_root=(env DEBIAN_FRONTEND=noninteractive LC_ALL=C) name
	for name in http_proxy https_proxy no_proxy; do
		[[ -z ${!name-} ]] || as_root+=("$name=${!name}")
	done
	is_root || as_root=(sudo -n "${as_root[@]}")
	apt "$1" update -q || return
	[[ ${#packages[@]} -gt 0 ]] || return 0
	keep_servers_stopped
	apt "$1" install -qy --no-install-recommends -o Dpkg::Options::=--force-confold "${packages[@]}"
}

# keep_servers_stopped prevents that the packages of PostgreSQL and PgBouncer start servers, which are not used here.
keep_servers_stopped() {
	local conf=$root/etc/postgresql-common/createcluster.conf
	if [[ " ${packages[*]} " == *' postgresql '* && ! -e $conf ]]; then
		"${as_root[@]}" mkdir -p "${conf%/*}"
		echo 'create_main_cluster = false' | "${as_root[@]}" tee "$conf" >/dev/null
	fi
	policy=$root/usr/sbin/policy-rc.d # invoke-rc.d runs this file before it starts a service
	if [[ ! -e $policy ]]; then
		remove_policy=("${as_root[@]}" rm -f "$policy")
		trap '"${remove_policy[@]}"' EXIT
		printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
		"${as_root[@]}" chmod +x "$policy"
	fi
}

# apt runs apt-get as root, shows its progress, and appends its output to a file. It reads as_root of install_packages.
apt() { # LOG ARGUMENT...
	local log=$1 kind status _ text code=1 phase='' total=0 count=0
	shift
	progress_start "apt-get $1"
	# apt-get writes "KIND:WHAT:PERCENT:TEXT" to APT::Status-Fd. sudo passes only the first three file descriptors.
	while IFS=: read -r kind status _ text; do
		[[ $kind != exit ]] || code=$status
		[[ $text =~ ^(Retrieving|Unpacking|Installed)( file ([0-9]+) of ([0-9]+))? ]] || continue
		if [[ $phase != "${BASH_REMATCH[1]}" ]]; then
			phase=${BASH_REMATCH[1]} count=0
			progress_start "apt-get: ${phase,}"
			total=$(sed -n 's/.* \([0-9]*\) newly installed.*/\1/p' "$log" | tail -n 1)
		fi
		count=$((count + 1))
		if [[ $phase == Retrieving ]]; then
			progress "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}" files
		else
			progress "$count" "$total" packages
		fi
	done < <(
		code=0
		# shellcheck disable=SC2016 # sh expands it
		"${as_root[@]}" sh -c 'exec apt-get "$@" -o APT::Status-Fd=3 3>&1 >&2' sh "$@" 2>>"$log" || code=$?
		echo "exit:$code"
	)
	progress_end
	return "$code"
}

install_command() {
	local sudo='' command
	is_root || sudo='sudo '
	command="${sudo}apt-get update"
	[[ ${#packages[@]} -eq 0 ]] || command+=" && ${sudo}apt-get install --no-install-recommends ${packages[*]}"
	echo "$command"
}

print_missing() {
	local note
	echo 'hack/setup.sh: missing on this machine:'
	for note in "${notes[@]}"; do echo "  $note"; done
	if [[ $update == true ]]; then
		for note in "${reasons[@]}"; do echo "  $note"; done
		is_debian && echo "Run: $(install_command)" || echo "Install them with this system's package manager; the names are Debian's."
	fi
}

main() {
	local part
	[[ $# -gt 0 ]] || set -- go postgres engine node tools
	for part in "$@"; do
		[[ $part =~ ^(go|server|postgres|engine|node|tools|lint)$ ]] || { echo "hack/setup.sh: unknown part: $part" >&2 && exit 2; }
	done
	find_missing "$@"
	if [[ $update == true ]] && may_install; then
		install_missing >&2
		find_missing "$@"
	fi
	[[ ${#notes[@]} -eq 0 && $update == false ]] || { print_missing >&2 && exit 1; }
}

main "$@"
