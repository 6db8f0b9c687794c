#!/usr/bin/env bash
# Makes the page and the plots of docs/benchmarks anew, from the raw results there; nothing is measured.
set -euo pipefail
cd "$(dirname "$0")/../.."
go run ./hack/bench/page docs/benchmarks
cd hack/bench/plot
GOWORK=off go run . ../../../docs/benchmarks
