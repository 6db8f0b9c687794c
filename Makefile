# What people run. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

IMAGE ?= localhost/shiplock/migrator:dev
# Arguments for the tests, as in: make test ARGS='-run TestScenarios/fresh-install -v'
ARGS ?=
# The scenarios first: they take longest, beside all others. Those wait more than they work, so there are more at a time than cores.
PACKAGES ?= ./internal/e2e ./...

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the story on a throw-away cluster: v1, v2, a v3 whose migration fails
	hack/setup.sh go engine node
	go run ./hack/demo

.PHONY: test
test: ## Run all tests: unit, PostgreSQL, chart, and end to end on a kind cluster
	hack/setup.sh go postgres engine node tools
	hack/postgres/install.sh 18 >/dev/null
	go test -p 3 -timeout 60m $(ARGS) $(PACKAGES)

.PHONY: unit
unit: ## Run the tests that need no cluster
	hack/setup.sh go postgres
	hack/postgres/install.sh 18 >/dev/null
	go test -short $(ARGS) $(PACKAGES)

.PHONY: build
build: ## Build the migrator for this machine, into bin/
	hack/setup.sh go
	go build -o bin/migrator ./cmd/migrator

.PHONY: image
image: ## Build the migrator's image; IMAGE=name:tag
	hack/setup.sh go engine
	hack/image.sh $(IMAGE)

.PHONY: lint
lint: ## Check code, scripts, chart, generated files and the list of dependencies
	hack/setup.sh go lint
	hack/lint.sh

.PHONY: generate
generate: ## Write anew what is generated: the chart's README and schema, golden files, the list of dependencies
	hack/generate.sh

.PHONY: bench
bench: ## Measure beside every peer, into docs/benchmarks; SHORT=yes: minutes; FIGURE=name: one; CLUSTER=yes: on a cluster, too
	hack/setup.sh go postgres $(if $(filter yes,$(CLUSTER)),engine node) $(if $(filter cluster-%,$(FIGURE)),engine node)
	go test -count=1 -timeout 6h -parallel 5 -v -run TestFigures ./hack/bench -out $(CURDIR)/docs/benchmarks/raw $(if $(filter yes,$(SHORT)),-short-run) \
		$(if $(FIGURE),-figure $(FIGURE)) $(if $(filter yes,$(CLUSTER)),-cluster) $(ARGS)
	hack/bench/page.sh

.PHONY: chaos
chaos: ## Strike ours, golang-migrate and goose in ROUNDS=1000 random rounds from SEED=1 on, and ROLLBACKS=300 of ours; writes docs/background/fault-injection.md
	hack/setup.sh go postgres
	go test -count=1 -timeout 2h -run 'TestChaos|TestARollbackIsStruck' ./internal/chaos -rounds $(or $(ROUNDS),1000) -rollbacks $(or $(ROLLBACKS),300) -seed $(or $(SEED),1) \
		-tools shiplock,golang-migrate,goose -report $(CURDIR)/docs/background/fault-injection.md $(ARGS)

.PHONY: clean
clean: ## Remove the demo's and the tests' clusters and what was built here; CACHE=yes also empties the cache
	go run ./hack/cluster --name shiplock-demo down
	go run ./hack/cluster down
	rm -rf bin dist
	$(if $(filter yes,$(CACHE)),hack/clean-cache.sh)
