#!/usr/bin/env bash
# Runs every static check of the repository, and fails if one of them fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=()

skip=77 # exit code of a check that could not run; its output is the reason

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

without_downloads() { "$@" 2> >(grep -v '^go: downloading' >&2); } # messages of a first run, which are no findings
tidy() { without_downloads go mod tidy -diff; }
go_code() { # .golangci.yml has the linters, gofmt among them, and the reason for each
	local tool out
	tool=$(hack/tools/install.sh golangci-lint) || return
	out=$(without_downloads "$tool" run ./... 2>&1) || { printf '%s\n' "$out" && return 1; } # without findings it prints "0 issues."
}
structure() { # hack/structure/rules.go has the rules
	without_downloads go run ./hack/structure
}
scripts() {
	local script
	# A file without a shebang line is sourced; -x follows it.
	git grep -lI -E '^#!.*\b(ba)?sh$' | while read -r script; do
		bash -n "$script" && shellcheck -x "$script"
	done
}
workflows() { # the actions themselves are not checked
	local tool
	tool=$(hack/tools/install.sh actionlint) && "$tool" -shellcheck "$(command -v shellcheck)"
}
dependencies() { diff <(hack/dependencies.sh) cmd/migrator/dependencies.golden; }
vulnerabilities() { # known vulnerabilities in code that the binary calls
	local tool out
	tool=$(hack/tools/install.sh govulncheck) || return
	out=$("$tool" ./cmd/migrator 2>&1) && return
	if [[ $out == *"fetching vulnerabilities"* ]]; then
		printf 'the vulnerability database is not reachable (%s)' "${out##*: }"
		return "$skip"
	fi
	printf '%s\n' "$out"
	return 1
}
names() { # no paths of one machine and no registry hosts in the repository
	git grep -nIE '(^|[^a-z])(/root/|/home/(user|[a-z]{3,})/|/work/)|\b(ghcr\.io|docker\.io|quay\.io|gcr\.io|registry\.k8s\.io|proxy\.golang\.org|deb\.debian\.org|registry\.npmjs\.org)\b' \
		-- ':!*go.sum' ':!hack/lint.sh' && return 1
	return 0
}

yaml() { # the files that `ct lint` checks with yamllint, and both configuration files
	yamllint --strict --format parsable --config-file lintconf.yaml ./*.yaml chart/Chart.yaml chart/values.yaml chart/ci/*-values.yaml
}

metadata() { # the second part of `ct lint`
	local out
	command -v yamale >/dev/null || { printf 'yamale is not installed (pip install yamale)' && return "$skip"; }
	out=$(yamale --schema chart_schema.yaml chart/Chart.yaml 2>&1) || { printf '%s\n' "$out" && return 1; }
}

increment() { # chart-testing's check-version-increment, against the last release
	local version
	version=$(sed -n 's/^version: //p' chart/Chart.yaml)
	git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || return 0 # not released yet
	git diff --quiet "v$version" -- chart || echo "chart/ differs from the released v$version: increase version and appVersion in chart/Chart.yaml"
}

wording() { # code, chart, scripts and file names, without Markdown
	go run ./hack/words .
}
documents() { # .vale.ini has the rules for each kind of file
	local tool
	tool=$(hack/tools/install.sh vale) || return
	git ls-files -z '*.md' chart/values.yaml '*.golden' 'internal/test/e2e/testdata/script/*.txtar' ':!docs/benchmarks/raw' | xargs -0 "$tool" --output=line
}

# Built first: the output of a tool's first build would fail its check.
hack/tools/install.sh golangci-lint actionlint govulncheck vale >/dev/null

check "golangci-lint" go_code
check "go mod tidy" tidy
check "structure: imports, circles between files, sizes, graph of the packages (hack/structure)" structure
check "shellcheck" scripts
check "actionlint" workflows
check "dependencies of the binary (run make generate)" dependencies
check "references of command line and values (run make generate)" go run ./hack/reference -check
check "govulncheck: vulnerabilities of the binary" vulnerabilities
check "wording of code, chart and scripts (hack/words)" wording
check "wording of documents (Vale)" documents
check "names: no machine's path, no registry's host" names
chart() {
	local out
	out=$(go test -count=1 ./internal/test/charttest 2>&1) || printf '%s\n' "$out"
}
check "chart: helm lint --strict, schema, README up to date" chart
check "chart: yamllint" yaml
check "chart: Chart.yaml matches chart_schema.yaml (yamale)" metadata
check "chart: version differs from the released one" increment

if [[ ${#failed[@]} -gt 0 ]]; then
	printf '%d checks failed\n' "${#failed[@]}" >&2
	exit 1
fi
