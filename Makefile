# Targets for developers. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

IMAGE ?= localhost/shiplock/migrator:dev
# Arguments for the tests, as in: make test ARGS='-run TestScenarios/fresh-install -v'
ARGS ?=
# The scenarios start first: they take longest. They wait more than they compute, so more of them run at a time than there are cores.
PACKAGES ?= ./internal/test/e2e ./...

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the demo: on a PostgreSQL server of this machine, and then with Helm on a temporary cluster
	hack/setup.sh go server engine node
	go run ./hack/demo

.PHONY: test
test: ## Run all tests: unit, PostgreSQL, chart, and end to end on a kind cluster
	hack/setup.sh go postgres engine node tools
	hack/postgres/install.sh 13 14 17 18 >/dev/null
	go run ./hack/cluster images
	go build -o bin/testsummary ./hack/testsummary
	$(MAKE) --no-print-directory -k $(if $(ARGS)$(filter-out file,$(origin PACKAGES)),,test-oldest-newest) test-installed

.PHONY: test-oldest-newest test-installed
test-oldest-newest: # first, so that the summary of the other tests is last
	hack/postgres/test.sh --libraries 14 18
test-installed: # on the installed PostgreSQL
	bin/testsummary -p 3 -timeout 60m $(ARGS) -- $(PACKAGES)

.PHONY: test-postgres
test-postgres: ## Run the tests that need a database on PostgreSQL 14 to 18; VERSIONS="14 18": on these
	hack/setup.sh go postgres
	hack/postgres/test.sh $(VERSIONS) -- $(ARGS)

.PHONY: unit
unit: ## Run the tests that need no cluster
	hack/setup.sh go postgres
	hack/postgres/install.sh 13 14 17 18 >/dev/null
	go build -o bin/testsummary ./hack/testsummary
	bin/testsummary -short $(ARGS) -- $(PACKAGES)

.PHONY: build
build: ## Build the migrator for this machine, into bin/
	hack/setup.sh go
	go build -o bin/migrator ./cmd/migrator

.PHONY: image
image: ## Build the migrator's image; IMAGE=name:tag
	hack/setup.sh go engine
	RELEASE=yes hack/image.sh $(IMAGE)

.PHONY: lint
lint: ## Check code, scripts, chart, generated files, and the dependency list
	hack/setup.sh go lint
	hack/lint.sh

.PHONY: generate
generate: ## Write the generated files: the chart's README and schema, golden files, the dependency list
	hack/generate.sh

.PHONY: bench
bench: ## Run the benchmarks, into docs/benchmarks; SHORT=yes: minutes; FIGURE=name: one figure; CLUSTER=yes: also on a cluster
	hack/setup.sh go postgres $(if $(filter yes,$(CLUSTER)),engine node) $(if $(filter cluster-%,$(FIGURE)),engine node)
	go test -count=1 -timeout 6h -parallel 5 -v -run TestFigures ./hack/bench -out $(CURDIR)/docs/benchmarks/raw $(if $(filter yes,$(SHORT)),-short-run) \
		$(if $(FIGURE),-figure $(FIGURE)) $(if $(filter yes,$(CLUSTER)),-cluster) $(ARGS)
	hack/bench/page.sh

.PHONY: chaos
chaos: ## Run the fault-injection tests (ROUNDS=1000, SEED=1, ROLLBACKS=300), into docs/background/fault-injection.md
	hack/setup.sh go postgres
	go test -count=1 -timeout 2h -run 'InjectedFault' ./internal/test/faultinjection -rounds $(or $(ROUNDS),1000) -rollbacks $(or $(ROLLBACKS),300) -seed $(or $(SEED),1) \
		-tools shiplock,golang-migrate,goose -report $(CURDIR)/docs/background/fault-injection.md $(ARGS)

.PHONY: clean
clean: ## Remove the clusters of demo and tests, and build results; CACHE=yes also empties the cache
	go run ./hack/cluster --name shiplock-demo down
	go run ./hack/cluster down
	rm -rf bin dist
	$(if $(filter yes,$(CACHE)),hack/clean-cache.sh)
