#!/usr/bin/env bash
# Runs the tests that need a database on PostgreSQL major versions of this directory, one after the other:
#
#   hack/postgres/test.sh [--libraries] [MAJOR ...] [-- ARGUMENT ...]
#
# MAJOR is by default each of 14 15 16 17 18. The arguments are those of go test. With --libraries, the packages with the SQL
# and the queries of the catalogs run, without the command line, whose tests need most of the time.
#
# Every line of the output begins with the version. The suites of whole programs (internal/test) run on the installed
# PostgreSQL only, and so do hack and docs.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly supported=(14 15 16 17 18)
majors=() without='/internal/test/(e2e|faultinjection|tools)$'
if [[ ${1-} == --libraries ]]; then
	without+='|/cmd/|/internal/(cli|config|config/dsn|test/pgtest)$'
	shift
fi
while [[ $# -gt 0 && $1 != -- ]]; do
	majors+=("$1")
	shift
done
[[ $# -eq 0 ]] || shift
[[ ${#majors[@]} -gt 0 ]] || majors=("${supported[@]}")

hack/postgres/install.sh 13 "${majors[@]}" >/dev/null # 13: a server that is refused
# The packages whose tests start a server.
mapfile -t packages < <(go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./cmd/... ./internal/... |
	grep -F /internal/test/pgtest | cut -d ' ' -f 1 | grep -vE "$without")
[[ ${#packages[@]} -ge 9 ]] || { echo "hack/postgres/test.sh: no packages found" >&2 && exit 1; }

failed=()
for major in "${majors[@]}"; do
	SHIPLOCK_TEST_POSTGRES=$major go test -p 2 -timeout 30m "$@" "${packages[@]}" 2>&1 | sed -u "s/^/PostgreSQL $major: /" || failed+=("$major")
done
[[ ${#failed[@]} -eq 0 ]] || { echo "hack/postgres/test.sh: failed on PostgreSQL ${failed[*]}" >&2 && exit 1; }
