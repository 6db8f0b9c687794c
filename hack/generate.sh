#!/usr/bin/env bash
# Writes every generated file: the list of dependencies, the graph of the packages, the references of the command line and of the
# chart's values, the chart's README and the descriptions in its schema, and golden files. Review the diff before you commit it.
set -euo pipefail
cd "$(dirname "$0")/.."
hack/dependencies.sh >cmd/migrator/dependencies.golden
go run ./hack/reference
go run ./hack/structure -write
go test ./internal/test/charttest ./internal/cli ./internal/check/output ./internal/notify/{github,kubernetes,pushgateway,slack,webhook} ./hack/docs -update
