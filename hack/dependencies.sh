#!/usr/bin/env bash
# Prints the modules that are linked into the migrator, one per line. cmd/migrator/dependencies.golden
# contains the list, so that a new module is visible in review.
set -euo pipefail
cd "$(dirname "$0")/.."
CGO_ENABLED=1 GOOS=linux go list -deps -tags netgo,osusergo \
	-f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/migrator | sort -u
