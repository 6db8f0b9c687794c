#!/usr/bin/env bash
# Writes the page and the plots of docs/benchmarks from its raw results.
set -euo pipefail
cd "$(dirname "$0")/../.."
go run ./hack/bench/page docs/benchmarks
cd hack/bench/plot
GOWORK=off go run . ../../../docs/benchmarks
