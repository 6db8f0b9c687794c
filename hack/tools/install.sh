#!/usr/bin/env bash
# Installs command line tools into the cache, and prints the path of each: of its program, or of the folder that
# packages.sh describes.
#
#   hack/tools/install.sh NAME...     names: the folders beside this script
#
# Each tool is pinned in its own folder, so that no two of them argue over a shared dependency. Those with a go.mod are built
# from the Go module proxy. A program is cached under a hash of go.mod and go.sum, of the folder's Go files, of this script and
# of the Go toolchain; several processes may call this at once. packages.sh installs the other tools.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SHIPLOCK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shiplock}/tools
# shellcheck source=hack/tools/packages.sh
source "$here/packages.sh"

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

# version MODULE prints the version that the current folder's go.mod pins.
version() {
  go list -m -f '{{.Version}}' "$1"
}

# helm_build_info MODULE prints the linker flags of Helm's own release build. The chart reads the commit, which distinguishes Helm's
# program from one that embeds Helm's library. The module proxy does not report the commit, so the module's checksum stands in.
helm_build_info() {
  local commit
  commit=$(go list -m -f '{{.Sum}}' "$1" | cut -d: -f2 | base64 -d | od -An -v -tx1 | tr -d ' \n' | cut -c1-40)
  [[ $commit =~ ^[0-9a-f]{40}$ ]] || die "the checksum of $1 is not known"
  printf ' -X %s/internal/version.version=%s' "$1" "$(version "$1")"
  printf ' -X %s/internal/version.gitCommit=%s' "$1" "$commit"
  printf ' -X %s/internal/version.gitTreeState=clean' "$1"
}

# Helm takes its own version, and Helm 3 the newest Kubernetes version it knows, from the linker. Unstamped, Helm 3
# renders for Kubernetes 1.20 and refuses any chart that asks for a newer one.
ldflags() {
  local flags="-s -w"
  case $1 in
    helm3)
      local minor
      minor=$(version k8s.io/client-go | cut -d. -f2)
      flags+="$(helm_build_info helm.sh/helm/v3)"
      for package in chartutil lint/rules; do
        flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$minor"
      done
      ;;
    helm4)
      flags+="$(helm_build_info helm.sh/helm/v4)"
      ;;
    golang-migrate)
      flags+=" -X main.Version=$(version github.com/golang-migrate/migrate/v4)"
      ;;
  esac
  printf '%s' "$flags"
}

# Build tags: golang-migrate's drivers are chosen by them, goose's are left out by them.
tags() {
  case $1 in
    golang-migrate) printf 'postgres' ;;
    goose) printf 'no_clickhouse,no_libsql,no_mssql,no_mysql,no_sqlite3,no_vertica,no_ydb' ;;
  esac
}

compile() {
  local package=$1 name=$2 binary=$3 flags
  # Another process may have built it while this one waited for the lock.
  [[ -x $binary ]] && return
  flags=$(ldflags "$name")
  # No flag beside the linker's, and tags where a tool has them: most packages are then in Go's cache already, from the project's own tests.
  go build -tags "$(tags "$name")" -ldflags "$flags" -o "$binary.$$" "$package" >&2
  mv "$binary.$$" "$binary"
}

tool() {
  local name=$1 package key binary
  cd "$here/$name"
  package=$(sed -n 's/^tool //p' go.mod)
  # The caller may be inside another module's build: its go.work and flags must not apply here.
  export GOWORK=off GOFLAGS=-buildvcs=false
  # A tool that needs a newer Go than the installed one names it; the go command fetches it from the module proxy.
  if grep -q '^toolchain ' go.mod; then
    export GOTOOLCHAIN=auto
  fi
  # shellcheck disable=SC2046 # the names have no blanks
  key=$(cat go.mod go.sum $(compgen -G '*.go' || true) "$here/install.sh" <(go env GOVERSION GOOS GOARCH) | git hash-object --stdin)
  binary=$cache/$name/$key/$(basename "$package")
  if [[ ! -x $binary ]]; then
    mkdir -p "$(dirname "$binary")"
    if command -v flock >/dev/null; then
      (
        flock 9
        compile "$package" "$name" "$binary"
      ) 9>"$cache/$name/$key/.lock"
    else
      compile "$package" "$name" "$binary"
    fi
  fi
  printf '%s\n' "$binary"
}

[[ $# -gt 0 ]] || die "usage: install.sh NAME..."
for name in "$@"; do
  [[ $name != */* && -d $here/$name ]] || die "no tool is called '$name'; there are: $(cd "$here" && echo */ | tr -d /)"
  if [[ -f $here/$name/go.mod ]]; then
    command -v go >/dev/null || die "Go is needed to build $name: https://go.dev/doc/install"
    (tool "$name")
  else
    (packages "$name")
  fi
done
