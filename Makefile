# One target per task; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEV := .venv/.installed-dev

.PHONY: help setup demo test check lint types imports docs bench chaos-feed chart k8s cluster-test clean
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install into .venv what running needs

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info < (3,14) else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ": set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 2 GB, 1 to 2 minutes the first time) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -U pip
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV): $(STAMP)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e . --group dev
	@touch $@

demo: $(STAMP) ## run everything on this machine; Ctrl-C stops it
	@$(BIN)/btc up

test: $(DEV) ## run all tests: unit, embedded Kafka, browser where Chromium is
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

lint: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV)
	@$(BIN)/mypy

imports: $(DEV)
	@$(BIN)/lint-imports

docs: $(STAMP) ## write the reference pages and the wire schemas again
	@$(BIN)/python -m app.reference

chart: $(DEV) ## check the Helm chart and k8s/, without a cluster
	@$(BIN)/python k8s/render.py --check
	@$(BIN)/python -m pytest -q -m "not live" tests/chart

k8s: $(DEV) ## render the chart into k8s/manifests
	@$(BIN)/python k8s/render.py

CLUSTER_TOOLS ?= build/cluster
CLUSTER_IMAGES ?= build/images
cluster-test: $(DEV) ## the chart on real clusters; CLUSTER_TOOLS: their built tools, CLUSTER_IMAGES: btc.tar and kafka.tar
	@BTC_CLUSTER_TOOLS=$(CLUSTER_TOOLS) BTC_CLUSTER_IMAGES=$(CLUSTER_IMAGES) $(BIN)/python -m pytest -v -s -rs -o log_cli=false tests/cluster

check: lint types imports test chart ## exactly what CI runs

bench: $(DEV) ## measure everything again, see benchmarks/README.md
	@$(BIN)/python -m benchmarks

chaos-feed: $(DEV) ## break the feed in every way and judge it, see docs/feed.md; CHAOS="--only skip" runs one case
	@$(BIN)/python -m benchmarks.chaos $(CHAOS)

clean: ## remove .venv; data in .btc stays
	rm -rf .venv
