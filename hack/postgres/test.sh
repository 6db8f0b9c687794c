#!/usr/bin/env bash
# Runs the tests that need a database on PostgreSQL major versions of this directory, one after the other:
#
#   hack/postgres/test.sh [MAJOR ...] [-- ARGUMENT ...]      default: 14 15 16 17 18; the arguments are those of go test
#
# Every line of the output begins with the version. The suites of whole programs (internal/test) run on the installed
# PostgreSQL only, and so do hack and docs.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly supported=(14 15 16 17 18)
majors=()
while [[ $# -gt 0 && $1 != -- ]]; do
	majors+=("$1")
	shift
done
[[ $# -eq 0 ]] || shift
[[ ${#majors[@]} -gt 0 ]] || majors=("${supported[@]}")

hack/postgres/install.sh 13 "${majors[@]}" >/dev/null # 13: a server that is refused
# The packages whose tests start a server.
mapfile -t packages < <(go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./cmd/... ./internal/... |
	grep -F /internal/test/pgtest | cut -d ' ' -f 1 | grep -vE '/internal/test/(e2e|faultinjection|tools)$')
[[ ${#packages[@]} -gt 10 ]] || { echo "hack/postgres/test.sh: no packages found" >&2 && exit 1; }

failed=()
for major in "${majors[@]}"; do
	SHIPLOCK_TEST_POSTGRES=$major go test -p 1 -timeout 30m "$@" "${packages[@]}" 2>&1 | sed -u "s/^/PostgreSQL $major: /" || failed+=("$major")
done
[[ ${#failed[@]} -eq 0 ]] || { echo "hack/postgres/test.sh: failed on PostgreSQL ${failed[*]}" >&2 && exit 1; }
