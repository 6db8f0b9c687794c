#!/usr/bin/env bash
# Writes every generated file again, the descriptions in the chart's schema among them. Look at the diff before you commit it.
set -euo pipefail
cd "$(dirname "$0")/.."
hack/dependencies.sh >cmd/migrator/dependencies.golden
go test ./internal/charttest ./internal/cli ./hack/docs -update
