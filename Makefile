# `make` lists the targets. A target's text stands behind its `##`.

PYTHON ?= .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: audit bench bench-quick check faults faults-quick help lint tables test test-all test-long unit

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

test: ## The tests of the README's command: all but the long ones.
	$(PYTHON) -m pytest --cov -n 2

unit: ## The tests that start no server.
	$(PYTHON) -m pytest --cov -n 2 tests/unit tests/simulation

test-long: ## The tests that `make test` leaves out: faults, mutants, long outages, benchmarks.
	$(PYTHON) -m pytest -n 2 -m long

test-all: ## All tests: `make test`, then `make test-long`.
	$(MAKE) test
	$(MAKE) test-long

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
