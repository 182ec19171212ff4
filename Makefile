# AMAS: `make demo` and `make test` set up everything that they need. `make help` explains every target.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
CACHE ?= $(or $(AMAS_CACHE_DIR),$(HOME)/.cache/amas)
MEMBERS := proto/gen/python $(wildcard libs/*) $(wildcard services/*) $(wildcard toolservers/*) amas-operator witness cli deploy/cluster
export PATH := $(CURDIR)/$(BIN):$(CACHE)/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE ?=

REPO ?= $(CURDIR)
AGAINST ?= HEAD~1
TAG ?= dev
export DEMO_APPROVE

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-zA-Z_-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(STAMP): requirements/bootstrap.txt requirements/dev.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	@scripts/make_venv.sh "$(PYTHON)" "$(VENV)" $(MEMBERS)
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Build the virtual environment from the lock

.PHONY: proto
proto: setup ## Generate the stubs under proto/gen from proto/
	buf format -w proto
	python scripts/generate_stubs.py

.PHONY: crds
crds: setup ## Generate the custom resource definitions of charts/amas-crds from the pydantic models
	python scripts/generate_crds.py

.PHONY: lock
lock: setup ## Resolve uv.lock and export requirements/*.txt from it
	python scripts/lock.py

.PHONY: demo
demo: setup ## Start the platform, run release-notes on REPO=path (default: this repository), approve, verify, tear down
	@python -m amas_cli.demo --repo "$(REPO)"

.PHONY: demo-attack
demo-attack: setup ## Let a model obey hostile tickets, and show what stops each (DEMO_ATTACK="--output json")
	@python -m amas_cli.demo.attack $(DEMO_ATTACK)

.PHONY: test
test: setup opa interop promtool ## Run every test that needs no cluster
	@scripts/test.sh

.PHONY: test-cluster
test-cluster: setup ## Prove on a Kubernetes cluster (of $$KUBECONFIG, else of `make cluster-up`) what only a cluster can (PROOFS="-k 1_install")
	@scripts/test_cluster.sh $(PROOFS)

.PHONY: unit
unit: setup ## Run the tests that start nothing but the code under test
	pytest -q -m "not integration and not e2e and not chaos and not cluster"

.PHONY: bench
bench: setup ## Measure runs, start-up and memory; prints ratios and writes out/bench/*.json
	@python -m tests.load.bench

.PHONY: bench-router
bench-router: setup ## Measure model calls beside LiteLLM, Portkey and TensorZero (ROUTER_BENCH="--quick --parts failover")
	@python -m tests.load.router $(ROUTER_BENCH)

.PHONY: bench-policy
bench-policy: setup opa ## Measure decisions beside OPA, detectors beside Presidio (POLICY_BENCH="--quick --parts detection")
	@python -m tests.load.policy $(POLICY_BENCH)

.PHONY: bench-audit
bench-audit: setup ## Measure the audit log beside plain inserts and Tessera (AUDIT_BENCH="--quick --parts appends")
	@python -m tests.load.audit $(AUDIT_BENCH)

.PHONY: opa
opa: ## Find the pinned OPA, or build it into the cache
	@scripts/ensure_opa.sh "$(CACHE)"

.PHONY: helm
helm: ## Find the pinned Helm, helm-unittest and Kustomize, or build them into the cache
	@scripts/ensure_helm.sh "$(CACHE)"

.PHONY: charts
charts: setup helm ## Generate what charts take from elsewhere, and build the umbrella into out/charts
	python scripts/generate_charts.py
	@scripts/build_charts.sh

.PHONY: interop
interop: ## Find the log's independent verifiers, or build them into the cache
	@scripts/ensure_interop.sh "$(CACHE)" >/dev/null

.PHONY: sloth
sloth: ## Find the pinned Sloth, or build it into the cache
	@scripts/ensure_sloth.sh "$(CACHE)"

.PHONY: promtool
promtool: ## Find promtool, or take it out of Debian's package into the cache
	@scripts/ensure_promtool.sh "$(CACHE)"

.PHONY: slo
slo: setup sloth ## Generate alert rules and the questions that canaries are judged by from dashboards/
	python scripts/slo.py

.PHONY: cluster-build
cluster-build: setup ## Build the test cluster's programs into the cache (once, about 40 minutes on two cores)
	@python -m amas_test_cluster build

.PHONY: cluster-up
cluster-up: setup ## Start a real Kubernetes on this machine, as root (or use the one that KUBECONFIG names)
	@python -m amas_test_cluster up

.PHONY: cluster-down
cluster-down: setup ## Stop the test cluster; nothing of it stays but the cache
	@python -m amas_test_cluster down

.PHONY: cluster-status
cluster-status: setup ## What of the test cluster runs, and how it is reached
	@python -m amas_test_cluster status

.PHONY: cluster-load
cluster-load: setup ## Give the test cluster the images that `make images` and `make previous` built
	@python -m amas_test_cluster load

.PHONY: policies
policies: opa ## Format, check and compile the policies
	opa fmt --write policies services/policy-sidecar/opa
	opa check --strict $$(find policies -name '*.rego')
	scripts/build_policies.sh

.PHONY: images
images: setup ## Build the images with buildah into out/images (IMAGES="gateway audit" TAG=dev IMAGES_OPTIONS=--twice)
	@python -m deploy.images $(IMAGES) --tag "$(TAG)" $(IMAGES_OPTIONS)

.PHONY: previous
previous: setup helm ## Build chart and images of the release before this one into the cache; out/previous links there
	@python -m deploy.previous

.PHONY: format
format: setup ## Format and fix what ruff can fix
	ruff format .
	ruff check --fix .

.PHONY: lint
lint: setup ## ruff, mypy, import contracts, proto, lock
	ruff format --check .
	ruff check .
	scripts/typecheck.sh
	lint-imports
	buf lint proto
	python scripts/generate_stubs.py --check
	python scripts/generate_crds.py --check
	python scripts/lock.py --check

.PHONY: lint-policies
lint-policies: opa ## Policies: format, strict check, tests, full coverage, no drift of the compiled module
	@scripts/check_policies.sh

.PHONY: lint-slo
lint-slo: setup sloth promtool ## Objectives: what is generated from them is up to date, and the rules fire when they should
	python scripts/slo.py --check
	promtool check rules dashboards/rules/*.yaml
	promtool test rules dashboards/tests/*.yaml

.PHONY: lint-charts
lint-charts: setup opa helm ## Charts and overlays: no drift, all values files rendered, schemas of three Kubernetes versions, policies, unit tests
	python scripts/generate_charts.py --check
	@scripts/build_charts.sh >/dev/null
	python -m scripts.check_charts
	python -m scripts.check_overlays
	helm-unittest --strict out/charts/amas charts/witness charts/operator

.PHONY: breaking
breaking: setup ## Check the contracts for changes that break clients of AGAINST (a git revision)
	@scripts/check_breaking.sh "$(AGAINST)"

.PHONY: clean
clean: ## Remove what was built here (not the cache)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache out
