#!/usr/bin/env bash
# Everything that can be said about the tree without running it. Runs all checks, then fails if one did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=()

skip=77 # the exit code of a check that could not be made; what it prints is the reason

check() { # NAME COMMAND...: a check passes when its command succeeds and prints nothing
	local name=$1 out code=0
	shift
	out=$("$@" 2>&1) || code=$?
	if [[ $code -eq 0 && -z $out ]]; then
		echo "ok    $name"
	elif [[ $code -eq $skip ]]; then
		echo "skip  $name: $out"
	else
		echo "FAIL  $name"
		printf '%s\n' "$out" | sed 's/^/      /'
		failed+=("$name")
	fi
}

format() { git ls-files -z '*.go' | xargs -0 gofmt -l; }
tidy() { go mod tidy -diff; }
static() {
	local tool
	tool=$(hack/tools/install.sh staticcheck) && "$tool" ./...
}
scripts() {
	local script
	# A file without a first line of its own is sourced, and -x reads it where that happens.
	git grep -lI -E '^#!.*\b(ba)?sh$' | while read -r script; do
		bash -n "$script" && shellcheck -x "$script"
	done
}
workflows() { # the actions themselves are not looked at: they are elsewhere
	local tool
	tool=$(hack/tools/install.sh actionlint) && "$tool" -shellcheck "$(command -v shellcheck)"
}
dependencies() { diff <(hack/dependencies.sh) cmd/migrator/dependencies.golden; }
vulnerabilities() { # what is known of the code that the binary calls
	local tool out
	tool=$(hack/tools/install.sh govulncheck) || return
	out=$("$tool" ./cmd/migrator 2>&1) && return
	if [[ $out == *"fetching vulnerabilities"* ]]; then
		printf 'the database of vulnerabilities is not reachable (%s)' "${out##*: }"
		return "$skip"
	fi
	printf '%s\n' "$out"
	return 1
}
rooms() { # the migrator never imports Helm, kind or client-go, nor what is only for tests
	go list -deps ./cmd/migrator | grep -E 'helm\.sh|sigs\.k8s\.io|k8s\.io/|testify|internal/(pgtest|ptytest|charttest|e2e)' && return 1
	return 0
}
names() { # nothing of one machine, and no registry's host, belongs in the tree
	git grep -nIE '(^|[^a-z])(/root/|/home/(user|[a-z]{3,})/|/work/)|\b(ghcr\.io|docker\.io|quay\.io|gcr\.io|registry\.k8s\.io|proxy\.golang\.org|deb\.debian\.org|registry\.npmjs\.org)\b' \
		-- ':!*go.sum' ':!hack/lint.sh' && return 1
	return 0
}

yaml() { # what `ct lint` makes yamllint read, and the configuration of both
	yamllint --strict --format parsable --config-file lintconf.yaml ./*.yaml chart/Chart.yaml chart/values.yaml chart/ci/*-values.yaml
}

metadata() { # the other half of `ct lint`
	local out
	command -v yamale >/dev/null || { printf 'yamale is not installed (pip install yamale)' && return "$skip"; }
	out=$(yamale --schema chart_schema.yaml chart/Chart.yaml 2>&1) || { printf '%s\n' "$out" && return 1; }
}

increment() { # what chart-testing calls check-version-increment, against the last release: a version says one thing
	local version
	version=$(sed -n 's/^version: //p' chart/Chart.yaml)
	git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || return 0 # not released yet
	git diff --quiet "v$version" -- chart || echo "chart/ is not what was released as v$version: raise version and appVersion in chart/Chart.yaml"
}

# Built beforehand: what the first build of a tool prints would fail its check.
hack/tools/install.sh staticcheck actionlint govulncheck >/dev/null

check "gofmt" format
check "go vet" go vet ./...
check "go mod tidy" tidy
check "staticcheck" static
check "shellcheck" scripts
check "actionlint" workflows
check "dependencies of the binary (make generate writes them)" dependencies
check "references of the command line and the values (make generate writes them)" go run ./hack/reference -check
check "govulncheck: vulnerabilities of the binary" vulnerabilities
check "rooms: what the migrator must not import" rooms
check "no machine's path, no registry's host" names
chart() {
	local out
	out=$(go test -count=1 ./internal/charttest 2>&1) || printf '%s\n' "$out"
}
check "chart: helm lint --strict, schema, README in step" chart
check "chart: yamllint" yaml
check "chart: Chart.yaml fits chart_schema.yaml (yamale)" metadata
check "chart: another version than the one released" increment

if [[ ${#failed[@]} -gt 0 ]]; then
	printf '%d checks failed\n' "${#failed[@]}" >&2
	exit 1
fi
