# `make` lists the targets. A target's text stands behind its `##`.

PYTHON ?= .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: audit bench bench-quick check faults faults-quick help lint tables

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: lint audit ## Everything that is checked without a server: `lint`, then `audit`.

lint: ## Style, types, layers of imports, and whether the installed packages fit together.
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(dir $(PYTHON))lint-imports
	$(PYTHON) -m pip check

audit: ## Ask the package index for known vulnerabilities of the packages; fails where it has no answer.
	mkdir -p build
	$(PYTHON) -m pip freeze --exclude-editable > build/installed.txt
	$(PYTHON) -m pip_audit --strict --disable-pip --no-deps -r build/installed.txt

tables: ## Write the tables of the documentation from the code.
	$(PYTHON) docs/tables.py

bench: ## Compare one worker with other programs on one stack; QUICK=1: with fewer messages.
	$(PYTHON) -m bench.compare $(if $(QUICK),--quick)

bench-quick: ## The same with fewer messages.
	$(PYTHON) -m bench.compare --quick

faults: ## Faults of every kind for MINUTES=20 on real servers; SEED=1 gives their order.
	mkdir -p build
	$(PYTHON) -m tests.faults --seed $(or $(SEED),1) --minutes $(or $(MINUTES),20) --json build/faults.json

faults-quick: ## Each kind of fault once.
	mkdir -p build
	$(PYTHON) -m tests.faults --seed $(or $(SEED),1) --quick --json build/faults-quick.json
